/*
 * gemm.h - the one matrix product that selection is made of, called within the calling thread.
 *
 * Selection multiplies tall and narrow blocks whose rows are stored as rows on both sides. So only one operand is packed, a
 * few rows at a time, and the other is read where it is (after Goto and van de Geijn, "Anatomy of high-performance matrix
 * multiplication", ACM TOMS 2008): on blocks of 64 to 512 rows that costs less than a library that packs both. Processors with
 * neither AVX-512F nor AVX2 with FMA run BLIS's kernels.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * c = a b^T in single precision: a is [m x k], b is [n x k], c is [m x n], rows `lda`, `ldb`, `ldc` elements apart. False if a
 * size or distance is out of range, of which BLIS would end the process; then c is untouched. Takes 128 KB of stack.
 *
 * Equal arguments give equal bits. Without BLIS an element's bits depend on its two rows alone (gemm_tile.h): the product of a
 * part is the part of the product, b a^T is exactly (a b^T)^T, and AVX-512 gives the bits of AVX2.
 */
bool kernel_gemm_nt(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb, float *c, size_t ldc);
