// GEMMs of operands that are rounded to 8 bits, with sums of 32 bits: exact, so that their order does not matter.
#include "CDNN.h"
#include "internal.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

int cdnn_has_int8(void) {
  // What oneDNN calls this set includes AVX512_VNNI; AVX-VNNI is another one.
  return has_instructions(dnnl_cpu_isa_avx512_core_vnni) || has_instructions(dnnl_cpu_isa_avx2_vnni);
}

/// What is prepared for one shape. The memories are only descriptions; every call points them to the caller's arrays.
struct int8 {
  int32_t n, k;
  dnnl_primitive_t multiply;
  /// From weights [k, n] that lie as they are and that are transposed, to the layout that the product wants.
  dnnl_primitive_t reorder[2];
  dnnl_stream_t stream;
  dnnl_memory_t a, packed, sums, plain[2];
  size_t packed_bytes;
  struct int8 *next;
};

static struct int8 *shapes;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static dnnl_status_t dense(dnnl_memory_desc_t *result, dnnl_data_type_t type, int64_t rows, int64_t columns, int transposed) {
  return strided(result, type, rows, columns, transposed ? 1 : columns, transposed ? rows : 1);
}

static dnnl_status_t any_layout(dnnl_memory_desc_t *result, int64_t rows, int64_t columns) {
  dnnl_dims_t dims = {rows, columns};
#if DNNL_VERSION_MAJOR >= 3
  return dnnl_memory_desc_create_with_tag(result, 2, dims, dnnl_s8, dnnl_format_tag_any);
#else
  return dnnl_memory_desc_init_by_tag(result, 2, dims, dnnl_s8, dnnl_format_tag_any);
#endif
}

struct description {
  dnnl_engine_t engine;
  dnnl_memory_desc_t a, b, sums, plain[2];
  dnnl_primitive_desc_t product;
};

static dnnl_status_t describe(struct description *d, int32_t n, int32_t k) {
  TRY(get_engine(&d->engine));
  TRY(dense(&d->a, dnnl_u8, CDNN_INT8_ROWS, k, 0));
  TRY(any_layout(&d->b, k, n));
  TRY(dense(&d->sums, dnnl_s32, CDNN_INT8_ROWS, n, 0));
  for (int i = 0; i < 2; i++) TRY(dense(&d->plain[i], dnnl_s8, k, n, i));
#if DNNL_VERSION_MAJOR >= 3
  return dnnl_matmul_primitive_desc_create(&d->product, d->engine, d->a, d->b, NULL, d->sums, NULL);
#else
  dnnl_matmul_desc_t matmul;
  TRY(dnnl_matmul_desc_init(&matmul, &d->a, &d->b, NULL, &d->sums));
  return dnnl_primitive_desc_create(&d->product, &matmul, NULL, d->engine, NULL);
#endif
}

static dnnl_status_t fill(struct int8 *p, struct description *d) {
  TRY(describe(d, p->n, p->k));
  TRY(dnnl_primitive_create(&p->multiply, d->product));
  descriptor_view packed = dnnl_primitive_desc_query_md(d->product, dnnl_query_weights_md, 0);
  p->packed_bytes = dnnl_memory_desc_get_size(packed);
  for (int i = 0; i < 2; i++) {
    dnnl_primitive_desc_t reorder;
    TRY(dnnl_reorder_primitive_desc_create(&reorder, VIEW(d->plain[i]), d->engine, packed, d->engine, NULL));
    dnnl_status_t status = dnnl_primitive_create(&p->reorder[i], reorder);
    dnnl_primitive_desc_destroy(reorder);
    TRY(status);
    TRY(dnnl_memory_create(&p->plain[i], VIEW(d->plain[i]), d->engine, DNNL_MEMORY_NONE));
  }
  TRY(dnnl_stream_create(&p->stream, d->engine, dnnl_stream_default_flags));
  TRY(dnnl_memory_create(&p->a, VIEW(d->a), d->engine, DNNL_MEMORY_NONE));
  TRY(dnnl_memory_create(&p->packed, packed, d->engine, DNNL_MEMORY_NONE));
  return dnnl_memory_create(&p->sums, VIEW(d->sums), d->engine, DNNL_MEMORY_NONE);
}

static void destroy(struct int8 *p) {
  dnnl_memory_t memories[] = {p->a, p->packed, p->sums, p->plain[0], p->plain[1]};
  dnnl_primitive_t primitives[] = {p->multiply, p->reorder[0], p->reorder[1]};
  for (int i = 0; i < 5; i++) {
    if (memories[i]) dnnl_memory_destroy(memories[i]);
  }
  for (int i = 0; i < 3; i++) {
    if (primitives[i]) dnnl_primitive_destroy(primitives[i]);
  }
  if (p->stream) dnnl_stream_destroy(p->stream);
  free(p);
}

/// What is prepared for this shape, when it is first requested.
static dnnl_status_t find(struct int8 **result, int32_t n, int32_t k) {
  for (struct int8 *p = shapes; p; p = p->next) {
    if (p->n == n && p->k == k) {
      *result = p;
      return dnnl_success;
    }
  }
  struct int8 *p = calloc(1, sizeof *p);
  if (!p) return dnnl_out_of_memory;
  (p->n = n, p->k = k);
  struct description description = {0};
  dnnl_status_t status = fill(p, &description);
  dnnl_memory_desc_t *all[] = {&description.a, &description.b, &description.sums, &description.plain[0], &description.plain[1]};
  for (int i = 0; i < 5; i++) free_descriptor(all[i]);
  if (description.product) dnnl_primitive_desc_destroy(description.product);
  if (status != dnnl_success) {
    destroy(p);
    return status;
  }
  p->next = shapes;
  shapes = *result = p;
  return dnnl_success;
}

static dnnl_status_t pack(int32_t n, int32_t k, int transposed, const int8_t *b, void *packed) {
  struct int8 *p;
  TRY(find(&p, n, k));
  TRY(dnnl_memory_set_data_handle(p->plain[transposed], (void *)b));
  TRY(dnnl_memory_set_data_handle(p->packed, packed));
  dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, p->plain[transposed]}, {DNNL_ARG_TO, p->packed}};
  TRY(dnnl_primitive_execute(p->reorder[transposed], p->stream, 2, arguments));
  return dnnl_stream_wait(p->stream);
}

static dnnl_status_t multiply(int32_t n, int32_t k, const uint8_t *a, const void *packed, int32_t *sums) {
  struct int8 *p;
  TRY(find(&p, n, k));
  TRY(dnnl_memory_set_data_handle(p->a, (void *)a));
  TRY(dnnl_memory_set_data_handle(p->packed, (void *)packed));
  TRY(dnnl_memory_set_data_handle(p->sums, sums));
  dnnl_exec_arg_t arguments[] = {{DNNL_ARG_SRC, p->a}, {DNNL_ARG_WEIGHTS, p->packed}, {DNNL_ARG_DST, p->sums}};
  TRY(dnnl_primitive_execute(p->multiply, p->stream, 3, arguments));
  return dnnl_stream_wait(p->stream);
}

int cdnn_int8_packed_bytes(int32_t n, int32_t k, size_t *bytes) {
  pthread_mutex_lock(&lock);
  struct int8 *p;
  int status = find(&p, n, k);
  if (status == dnnl_success) *bytes = p->packed_bytes;
  pthread_mutex_unlock(&lock);
  return status;
}

int cdnn_int8_pack(int32_t n, int32_t k, int transposed, const int8_t *b, void *packed) {
  pthread_mutex_lock(&lock);
  int status = pack(n, k, transposed, b, packed);
  pthread_mutex_unlock(&lock);
  return status;
}

int cdnn_int8_multiply(int32_t n, int32_t k, const uint8_t *a, const void *packed, int32_t *sums) {
  pthread_mutex_lock(&lock);
  int status = multiply(n, k, a, packed, sums);
  pthread_mutex_unlock(&lock);
  return status;
}

// MARK: Rounding

// Added to a number of at most 22 bits, it leaves the nearest integer in the lowest bits of the sum.
#define ROUNDING 12582912.0f

static inline uint32_t bits_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

static inline float float_of(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static inline uint32_t load(const void *x, int is_bf16, long i) {
  return is_bf16 ? (uint32_t)((const uint16_t *)x)[i] << 16 : ((const uint32_t *)x)[i];
}

/// What a row is divided by so that its largest number becomes 127, and what the integers are multiplied with. Bits of sizes are in the
/// order of the sizes, those of infinities and of what is not a number last: these make the whole row not a number.
static inline float scales(uint32_t largest, float *back) {
  const float size = float_of(largest);
  if (largest >= 0x7F800000) {
    *back = float_of(0x7FC00000);
    return 0;
  }
  // Below, 127 / size would be infinite.
  const int is_zero = size < 1e-30f;
  *back = is_zero ? 0 : size / 127;
  return is_zero ? 0 : 127 / size;
}

static inline uint32_t rounded(uint32_t bits, float scale, float offset) {
  const float x = float_of(bits);
  // A number that is none times 0 would be none; its integer does not matter, but must be one.
  return scale == 0 ? bits_of(ROUNDING + offset) : bits_of(__builtin_fmaf(x, scale, ROUNDING + offset));
}

static inline __attribute__((always_inline)) void round_rows(
    const void *x, int is_bf16, long rows, long columns, long stride, uint32_t offset, uint8_t *q, float *back, int32_t *sums) {
  for (long row = 0; row < rows; row++) {
    const char *from = (const char *)x + row * stride * (is_bf16 ? 2 : 4);
    uint32_t largest = 0;
    for (long i = 0; i < columns; i++) {
      const uint32_t size = load(from, is_bf16, i) & 0x7FFFFFFF;
      largest = size > largest ? size : largest;
    }
    const float scale = scales(largest, &back[row]);
    uint8_t *to = q + row * columns;
    int32_t sum = 0;
    for (long i = 0; i < columns; i++) {
      const uint32_t number = rounded(load(from, is_bf16, i), scale, (float)offset);
      to[i] = (uint8_t)number;
      sum += (int8_t)(uint8_t)number;
    }
    if (sums) sums[row] = sum;
  }
}

void cdnn_int8_round_activations(
    const void *x, int is_bf16, long rows, long columns, long stride, uint8_t *q, float *back) {
  if (is_bf16) {
    round_rows(x, 1, rows, columns, stride, 128, q, back, NULL);
  } else {
    round_rows(x, 0, rows, columns, stride, 128, q, back, NULL);
  }
}

static inline __attribute__((always_inline)) void round_columns(
    const void *w, int is_bf16, long rows, long columns, long stride, int8_t *q, float *back, int32_t *sums, float *scale) {
  uint32_t *largest = (uint32_t *)sums;
  memset(largest, 0, (size_t)columns * sizeof *largest);
  for (long row = 0; row < rows; row++) {
    const char *from = (const char *)w + row * stride * (is_bf16 ? 2 : 4);
    for (long i = 0; i < columns; i++) {
      const uint32_t size = load(from, is_bf16, i) & 0x7FFFFFFF;
      largest[i] = size > largest[i] ? size : largest[i];
    }
  }
  for (long i = 0; i < columns; i++) scale[i] = scales(largest[i], &back[i]);
  memset(sums, 0, (size_t)columns * sizeof *sums);
  for (long row = 0; row < rows; row++) {
    const char *from = (const char *)w + row * stride * (is_bf16 ? 2 : 4);
    int8_t *to = q + row * columns;
    for (long i = 0; i < columns; i++) {
      to[i] = (int8_t)(uint8_t)rounded(load(from, is_bf16, i), scale[i], 0);
      sums[i] += to[i];
    }
  }
}

void cdnn_int8_round_weights(
    const void *w, int is_bf16, long rows, long columns, long stride, int by_columns, int8_t *q, float *back, int32_t *sums,
    float *scratch) {
  if (by_columns && is_bf16) {
    round_columns(w, 1, rows, columns, stride, q, back, sums, scratch);
  } else if (by_columns) {
    round_columns(w, 0, rows, columns, stride, q, back, sums, scratch);
  } else if (is_bf16) {
    round_rows(w, 1, rows, columns, stride, 0, (uint8_t *)q, back, sums);
  } else {
    round_rows(w, 0, rows, columns, stride, 0, (uint8_t *)q, back, sums);
  }
}
