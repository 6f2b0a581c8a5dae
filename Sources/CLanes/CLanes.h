// Sixteen numbers at a time: what Swift's own vectors do with calls, or lane by lane, as the instructions that there are.
#pragma once
#include <stdint.h>

typedef float lanes_fp32 __attribute__((ext_vector_type(16)));
typedef uint32_t lanes_bits __attribute__((ext_vector_type(16)));
typedef int32_t lanes_integers __attribute__((ext_vector_type(16)));
typedef uint16_t lanes_bf16 __attribute__((ext_vector_type(16)));

static inline __attribute__((always_inline)) lanes_fp32 lanes_of_integers(lanes_integers values) {
  return __builtin_convertvector(values, lanes_fp32);
}

static inline __attribute__((always_inline)) lanes_fp32 lanes_widened(lanes_bf16 bits) {
  return (lanes_fp32)(__builtin_convertvector(bits, lanes_bits) << 16);
}

static inline __attribute__((always_inline)) lanes_fp32 lanes_square_roots(lanes_fp32 values) {
  return __builtin_elementwise_sqrt(values);
}

/// To the nearest, and to the even one of two that are equally near. NaN stays NaN; rounded like a number, it could become an
/// infinity or 0.
static inline __attribute__((always_inline)) lanes_bf16 lanes_rounded(lanes_fp32 values) {
  lanes_bits bits = (lanes_bits)values;
  lanes_bits rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
  // All ones where the lane is NaN.
  lanes_bits is_nan = (lanes_bits)(values != values);
  return __builtin_convertvector((rounded & ~is_nan) | (((bits >> 16) | 0x40) & is_nan), lanes_bf16);
}
