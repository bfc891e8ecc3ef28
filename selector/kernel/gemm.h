/*
 * gemm.h - the one BLIS operation that selection is made of, called within the calling thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * c = a b^T in single precision: a is [m x k], b is [n x k], c is [m x n], rows `lda`, `ldb`, `ldc` elements apart. BLIS ends
 * the process on a bad shape, so this checks first: false if a size or distance is out of range (then c is untouched). Equal
 * arguments give equal bits; another shape may round the same element differently.
 */
bool kernel_gemm_nt(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb, float *c, size_t ldc);
