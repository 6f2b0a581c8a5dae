#include "CDNN.h"
#include "internal.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/// What is prepared for one shape. The memories are only descriptions; every call points them to the caller's arrays.
struct gemm {
  cdnn_gemm_shape shape;
  dnnl_primitive_t primitive;
  dnnl_stream_t stream;
  dnnl_memory_t a, b, bias, residual, result;
  struct gemm *next;
};

enum { BUCKETS = 256 };
static struct gemm *gemms[BUCKETS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static unsigned bucket(const cdnn_gemm_shape *shape) {
  unsigned hash = 2166136261u;  // FNV-1a over the fields
  const int32_t *fields = (const int32_t *)shape;
  for (size_t i = 0; i < sizeof *shape / sizeof *fields; i++) hash = (hash ^ (unsigned)fields[i]) * 16777619u;
  return (hash ^ hash >> 16) % BUCKETS;
}

static dnnl_status_t strided(
    dnnl_memory_desc_t *result, dnnl_data_type_t type, int64_t rows, int64_t columns, int64_t row, int64_t column) {
  dnnl_dims_t dims = {rows, columns}, strides = {row, column};
#if DNNL_VERSION_MAJOR >= 3
  return dnnl_memory_desc_create_with_strides(result, 2, dims, type, strides);
#else
  return dnnl_memory_desc_init_by_strides(result, 2, dims, type, strides);
#endif
}

/// What a GEMM is described by while it is created.
struct description {
  dnnl_engine_t engine;
  dnnl_memory_desc_t a, b, bias, residual, result;
  dnnl_primitive_attr_t attributes;
  dnnl_post_ops_t operations;
};

static dnnl_status_t describe(struct description *d, const cdnn_gemm_shape *s) {
  TRY(get_engine(&d->engine));
  TRY(strided(&d->a, dnnl_bf16, s->m, s->k, s->a_row, s->a_column));
  TRY(strided(&d->b, dnnl_bf16, s->k, s->n, s->b_row, s->b_column));
  TRY(strided(&d->bias, dnnl_f32, 1, s->n, s->n, 1));
  TRY(strided(&d->residual, dnnl_f32, s->m, s->n, s->residual_row ? s->residual_row : s->n, 1));
  TRY(strided(&d->result, s->result_is_bf16 ? dnnl_bf16 : dnnl_f32, s->m, s->n, s->result_row, 1));
  TRY(dnnl_primitive_attr_create(&d->attributes));
  TRY(dnnl_post_ops_create(&d->operations));
  if (s->accumulates) {
#if DNNL_VERSION_MAJOR >= 3
    TRY(dnnl_post_ops_append_sum(d->operations, 1, 0, dnnl_data_type_undef));
#else
    TRY(dnnl_post_ops_append_sum(d->operations, 1));
#endif
  }
  if (s->residual_row) TRY(dnnl_post_ops_append_binary(d->operations, dnnl_binary_add, VIEW(d->residual)));
  return dnnl_primitive_attr_set_post_ops(d->attributes, d->operations);
}

static void free_description(struct description *d) {
  dnnl_memory_desc_t *all[] = {&d->a, &d->b, &d->bias, &d->residual, &d->result};
  for (int i = 0; i < 5; i++) free_descriptor(all[i]);
  if (d->operations) dnnl_post_ops_destroy(d->operations);
  if (d->attributes) dnnl_primitive_attr_destroy(d->attributes);
}

static dnnl_status_t fill(struct gemm *p, struct description *d) {
  TRY(describe(d, &p->shape));
  dnnl_primitive_desc_t operation;
  int bias = p->shape.has_bias;
#if DNNL_VERSION_MAJOR >= 3
  TRY(dnnl_matmul_primitive_desc_create(&operation, d->engine, d->a, d->b, bias ? d->bias : NULL, d->result, d->attributes));
#else
  dnnl_matmul_desc_t matmul;
  TRY(dnnl_matmul_desc_init(&matmul, &d->a, &d->b, bias ? &d->bias : NULL, &d->result));
  TRY(dnnl_primitive_desc_create(&operation, &matmul, d->attributes, d->engine, NULL));
#endif
  dnnl_status_t status = dnnl_primitive_create(&p->primitive, operation);
  dnnl_primitive_desc_destroy(operation);
  TRY(status);
  TRY(dnnl_stream_create(&p->stream, d->engine, dnnl_stream_default_flags));
  TRY(dnnl_memory_create(&p->a, VIEW(d->a), d->engine, DNNL_MEMORY_NONE));
  TRY(dnnl_memory_create(&p->b, VIEW(d->b), d->engine, DNNL_MEMORY_NONE));
  TRY(dnnl_memory_create(&p->bias, VIEW(d->bias), d->engine, DNNL_MEMORY_NONE));
  TRY(dnnl_memory_create(&p->residual, VIEW(d->residual), d->engine, DNNL_MEMORY_NONE));
  return dnnl_memory_create(&p->result, VIEW(d->result), d->engine, DNNL_MEMORY_NONE);
}

static void destroy(struct gemm *p) {
  dnnl_memory_t memories[] = {p->a, p->b, p->bias, p->residual, p->result};
  for (int i = 0; i < 5; i++) {
    if (memories[i]) dnnl_memory_destroy(memories[i]);
  }
  if (p->stream) dnnl_stream_destroy(p->stream);
  if (p->primitive) dnnl_primitive_destroy(p->primitive);
  free(p);
}

/// The GEMM of this shape, prepared when it is first requested.
static dnnl_status_t find(struct gemm **result, const cdnn_gemm_shape *shape) {
  struct gemm **slot = &gemms[bucket(shape)];
  for (struct gemm *p = *slot; p; p = p->next) {
    if (memcmp(&p->shape, shape, sizeof *shape) == 0) {
      *result = p;
      return dnnl_success;
    }
  }
  struct gemm *p = calloc(1, sizeof *p);
  if (!p) return dnnl_out_of_memory;
  p->shape = *shape;
  struct description description = {0};
  dnnl_status_t status = fill(p, &description);
  free_description(&description);
  if (status != dnnl_success) {
    destroy(p);
    return status;
  }
  p->next = *slot;
  *slot = *result = p;
  return dnnl_success;
}

static dnnl_status_t execute(
    const cdnn_gemm_shape *shape, const uint16_t *a, const uint16_t *b, const float *bias, const float *residual, void *result) {
  struct gemm *p;
  TRY(find(&p, shape));
  TRY(dnnl_memory_set_data_handle(p->a, (void *)a));
  TRY(dnnl_memory_set_data_handle(p->b, (void *)b));
  TRY(dnnl_memory_set_data_handle(p->bias, (void *)bias));
  TRY(dnnl_memory_set_data_handle(p->residual, (void *)residual));
  TRY(dnnl_memory_set_data_handle(p->result, result));
  dnnl_exec_arg_t arguments[5] = {{DNNL_ARG_SRC, p->a}, {DNNL_ARG_WEIGHTS, p->b}, {DNNL_ARG_DST, p->result}};
  int count = 3;
  if (shape->has_bias) arguments[count++] = (dnnl_exec_arg_t){DNNL_ARG_BIAS, p->bias};
  if (shape->residual_row) {
    int operation = DNNL_ARG_ATTR_MULTIPLE_POST_OP(shape->accumulates ? 1 : 0) | DNNL_ARG_SRC_1;
    arguments[count++] = (dnnl_exec_arg_t){operation, p->residual};
  }
  TRY(dnnl_primitive_execute(p->primitive, p->stream, count, arguments));
  return dnnl_stream_wait(p->stream);
}

int cdnn_gemm(
    const cdnn_gemm_shape *shape, const uint16_t *a, const uint16_t *b, const float *bias, const float *residual, void *result) {
  pthread_mutex_lock(&lock);
  int status = execute(shape, a, b, bias, residual, result);
  pthread_mutex_unlock(&lock);
  return status;
}
