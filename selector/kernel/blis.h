/*
 * blis.h - BLIS's header, for kernel/'s own sources.
 *
 * Debian lets its builds of BLIS stand side by side and <blis.h> may be the OpenMP one, which needs a compiler's omp.h. All of
 * them have the same interface in the calls made here, which stay within one thread.
 */
#pragma once

#if __has_include(<blis-pthread/blis.h>)
#include <blis-pthread/blis.h>
#else
#include <blis.h>
#endif
