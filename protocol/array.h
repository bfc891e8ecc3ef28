/*
 * array.h - arrays on the wire: their element types and their views.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The element types, little-endian, with their numpy names and sizes in bytes. */
#define ARRAY_DTYPES(X)                                                                                                        \
    X(F4, "<f4", 4)                                                                                                            \
    X(F2, "<f2", 2)                                                                                                            \
    X(U4, "<u4", 4)                                                                                                            \
    X(I4, "<i4", 4)                                                                                                            \
    X(I8, "<i8", 8)                                                                                                            \
    X(U2, "<u2", 2)                                                                                                            \
    X(U1, "|u1", 1)

enum array_dtype {
#define X(code, name, size) ARRAY_##code,
    ARRAY_DTYPES(X)
#undef X
        ARRAY_DTYPE_COUNT
};

/* A set of element types, for the fields that take several. */
#define ARRAY_BIT(dtype) (1u << (dtype))
#define ARRAY_FLOATS     (ARRAY_BIT(ARRAY_F4) | ARRAY_BIT(ARRAY_F2))
#define ARRAY_INTEGERS                                                                                                         \
    (ARRAY_BIT(ARRAY_U4) | ARRAY_BIT(ARRAY_I4) | ARRAY_BIT(ARRAY_I8) | ARRAY_BIT(ARRAY_U2) | ARRAY_BIT(ARRAY_U1))

/* A checked view of an array inside a message; it lives as long as the message. `data` may be unaligned. */
struct array {
    enum array_dtype dtype;
    size_t rows;   /* shape[0] */
    size_t layers; /* shape[1] of a three-dimensional array: so many rows of `width` each, one after another; else 1 */
    size_t width;  /* the last of shape, 1 for a one-dimensional array */
    const uint8_t *data;
    size_t bytes; /* rows * layers * width * the element's size */
};

const char *array_dtype_name(enum array_dtype dtype);
size_t array_dtype_size(enum array_dtype dtype);
bool array_dtype_parse(const char *name, size_t size, enum array_dtype *dtype);

/* Element i of an integer array as a 64-bit integer; i < rows * layers * width. */
int64_t array_integer(const struct array *array, size_t i);
