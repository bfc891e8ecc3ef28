/*
 * half.h - IEEE binary16 numbers for the checks and conversions at the door. The selection's own arithmetic is in kernel/.
 */
#pragma once

#include <stdint.h>
#include <string.h>

static inline float half_to_float(uint16_t half)
{
    const uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    const uint32_t magnitude = half & 0x7fff;
    uint32_t bits;
    if (magnitude >= 0x7c00) {
        bits = sign | 0x7f800000 | (magnitude & 0x3ff) << 13;
    } else if (magnitude >= 0x0400) {
        bits = sign | ((magnitude << 13) + (112u << 23));
    } else {
        /* A subnormal is magnitude x 2^-24, which a float holds exactly. */
        const float value = (float)magnitude * 0x1p-24f;
        memcpy(&bits, &value, sizeof bits);
        bits |= sign;
    }
    float result;
    memcpy(&result, &bits, sizeof result);
    return result;
}

/* Rounds a probability (0..1) to the nearest half, ties to even. */
static inline uint16_t half_of_probability(float value)
{
    if (value < 0x1p-14f) { /* subnormal: a multiple of 2^-24 */
        const float scaled = value * 0x1p24f;
        uint32_t whole = (uint32_t)scaled;
        const float rest = scaled - (float)whole;
        whole += rest > 0.5f || (rest == 0.5f && (whole & 1));
        return (uint16_t)whole;
    }
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    const uint32_t half = (bits - (112u << 23)) >> 13;
    const uint32_t rest = bits & 0x1fff;
    return (uint16_t)(half + (rest > 0x1000 || (rest == 0x1000 && (half & 1))));
}
