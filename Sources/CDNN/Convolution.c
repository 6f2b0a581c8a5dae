#include "CDNN.h"
#include "internal.h"

#include <stdlib.h>

static dnnl_status_t make_descriptor(
    dnnl_memory_desc_t *result, int axes, const dnnl_dim_t *dims, dnnl_data_type_t type, dnnl_format_tag_t tag) {
#if DNNL_VERSION_MAJOR >= 3
  return dnnl_memory_desc_create_with_tag(result, axes, dims, type, tag);
#else
  return dnnl_memory_desc_init_by_tag(result, axes, dims, type, tag);
#endif
}

enum pass { FORWARD, BACKWARD_INPUT, BACKWARD_WEIGHTS, PASSES };

/// One direction: its primitive, the copy between PyTorch's and its own layout of the weights, and their memories. The
/// memories are only descriptions; every call points them to the caller's arrays.
struct direction {
  dnnl_primitive_t primitive, reorder;
  dnnl_memory_t packed, scratchpad;
  size_t packed_bytes, scratchpad_bytes;
};

struct cdnn_convolution {
  dnnl_stream_t stream;
  struct direction passes[PASSES];
  dnnl_memory_t x, dx, y, dy, weights, bias;
  size_t outputs, weight_count, scratch_bytes;
  float scale;
};

/// Scratch, in order: plain (scaled weights, or their gradient, in PyTorch's layout), bias, packed weights, oneDNN's scratchpad.
struct scratch_parts {
  float *plain, *bias;
  void *packed, *scratchpad;
};

static size_t aligned(size_t bytes) { return (bytes + 63) & ~(size_t)63; }

static struct scratch_parts divide(const cdnn_convolution *c, enum pass pass, void *scratch) {
  char *at = scratch;
  struct scratch_parts parts;
  parts.plain = (float *)at;
  at += aligned(c->weight_count * sizeof(float));
  parts.bias = (float *)at;
  at += aligned(c->outputs * sizeof(float));
  parts.packed = at;
  at += aligned(c->passes[pass].packed_bytes);
  parts.scratchpad = at;
  return parts;
}

/// What a convolution is described by while it is created.
struct description {
  dnnl_engine_t engine;
  dnnl_memory_desc_t x, dx, y, dy, weights, any_weights, any_dweights, bias;
  dnnl_dims_t strides, dilations, padding;
  dnnl_primitive_attr_t attributes, output_attributes;
};

static dnnl_status_t describe(struct description *d, const cdnn_convolution_shape *s) {
  dnnl_dims_t x = {s->samples, s->inputs, s->height, s->width};
  dnnl_dims_t y = {s->samples, s->outputs, s->height, s->width};
  dnnl_dims_t weights = {s->outputs, s->inputs, s->kernel, s->kernel};
  dnnl_dims_t bias = {s->outputs};
  TRY(get_engine(&d->engine));
  dnnl_data_type_t operand = s->operands_are_bf16 ? dnnl_bf16 : dnnl_f32;
  TRY(make_descriptor(&d->x, 4, x, operand, dnnl_nhwc));
  TRY(make_descriptor(&d->dx, 4, x, s->dx_is_bf16 ? dnnl_bf16 : dnnl_f32, dnnl_nhwc));
  TRY(make_descriptor(&d->y, 4, y, s->y_is_bf16 ? dnnl_bf16 : dnnl_f32, dnnl_nhwc));
  TRY(make_descriptor(&d->dy, 4, y, operand, dnnl_nhwc));
  TRY(make_descriptor(&d->weights, 4, weights, dnnl_f32, dnnl_oihw));
  TRY(make_descriptor(&d->any_weights, 4, weights, operand, dnnl_format_tag_any));
  TRY(make_descriptor(&d->any_dweights, 4, weights, dnnl_f32, dnnl_format_tag_any));
  TRY(make_descriptor(&d->bias, 1, bias, dnnl_f32, dnnl_x));
  for (int axis = 0; axis < 2; axis++) {
    d->strides[axis] = 1;
    d->padding[axis] = s->kernel / 2;
  }

  TRY(dnnl_primitive_attr_create(&d->attributes));
  TRY(dnnl_primitive_attr_set_scratchpad_mode(d->attributes, dnnl_scratchpad_mode_user));
  TRY(dnnl_primitive_attr_create(&d->output_attributes));
  TRY(dnnl_primitive_attr_set_scratchpad_mode(d->output_attributes, dnnl_scratchpad_mode_user));
  if (s->output == CDNN_PLAIN) return dnnl_success;

  dnnl_post_ops_t operations;
  TRY(dnnl_post_ops_create(&operations));
  dnnl_status_t status;
#if DNNL_VERSION_MAJOR >= 3
  status = s->output == CDNN_ADDED
               ? dnnl_post_ops_append_sum(operations, 1, 0, dnnl_f32)
               : dnnl_post_ops_append_eltwise(operations, dnnl_eltwise_relu, 0, 0);
#else
  status = s->output == CDNN_ADDED ? dnnl_post_ops_append_sum(operations, 1)
                                   : dnnl_post_ops_append_eltwise(operations, 1, dnnl_eltwise_relu, 0, 0);
#endif
  if (status == dnnl_success) status = dnnl_primitive_attr_set_post_ops(d->output_attributes, operations);
  dnnl_post_ops_destroy(operations);
  return status;
}

static void free_description(struct description *d) {
  dnnl_memory_desc_t *all[] = {&d->x, &d->dx, &d->y, &d->dy, &d->weights, &d->any_weights, &d->any_dweights, &d->bias};
  for (int i = 0; i < 8; i++) free_descriptor(all[i]);
  if (d->attributes) dnnl_primitive_attr_destroy(d->attributes);
  if (d->output_attributes) dnnl_primitive_attr_destroy(d->output_attributes);
}

static dnnl_status_t describe_pass(
    dnnl_primitive_desc_t *result, const struct description *d, enum pass pass, const_dnnl_primitive_desc_t forward) {
#if DNNL_VERSION_MAJOR >= 3
  switch (pass) {
    case FORWARD:
      return dnnl_convolution_forward_primitive_desc_create(
          result, d->engine, dnnl_forward_training, dnnl_convolution_direct, d->x, d->any_weights, d->bias, d->y, d->strides,
          d->dilations, d->padding, d->padding, d->output_attributes);
    case BACKWARD_INPUT:
      return dnnl_convolution_backward_data_primitive_desc_create(
          result, d->engine, dnnl_convolution_direct, d->dx, d->any_weights, d->dy, d->strides, d->dilations, d->padding,
          d->padding, forward, d->attributes);
    default:
      return dnnl_convolution_backward_weights_primitive_desc_create(
          result, d->engine, dnnl_convolution_direct, d->x, d->any_dweights, d->bias, d->dy, d->strides, d->dilations,
          d->padding, d->padding, forward, d->attributes);
  }
#else
  dnnl_convolution_desc_t operation;
  switch (pass) {
    case FORWARD:
      TRY(dnnl_convolution_forward_desc_init(
          &operation, dnnl_forward_training, dnnl_convolution_direct, &d->x, &d->any_weights, &d->bias, &d->y, d->strides,
          d->padding, d->padding));
      break;
    case BACKWARD_INPUT:
      TRY(dnnl_convolution_backward_data_desc_init(
          &operation, dnnl_convolution_direct, &d->dx, &d->any_weights, &d->dy, d->strides, d->padding, d->padding));
      break;
    default:
      TRY(dnnl_convolution_backward_weights_desc_init(
          &operation, dnnl_convolution_direct, &d->x, &d->any_dweights, &d->bias, &d->dy, d->strides, d->padding,
          d->padding));
  }
  return dnnl_primitive_desc_create(
      result, &operation, pass == FORWARD ? d->output_attributes : d->attributes, d->engine, forward);
#endif
}

static dnnl_status_t create_direction(
    struct direction *result, const struct description *d, enum pass pass, dnnl_primitive_desc_t operation) {
  TRY(dnnl_primitive_create(&result->primitive, operation));
  dnnl_query_t weights_of = pass == BACKWARD_WEIGHTS ? dnnl_query_diff_weights_md : dnnl_query_weights_md;
  descriptor_view packed = dnnl_primitive_desc_query_md(operation, weights_of, 0);
  descriptor_view scratchpad = dnnl_primitive_desc_query_md(operation, dnnl_query_scratchpad_md, 0);
  result->packed_bytes = dnnl_memory_desc_get_size(packed);
  result->scratchpad_bytes = dnnl_memory_desc_get_size(scratchpad);
  TRY(dnnl_memory_create(&result->packed, packed, d->engine, DNNL_MEMORY_NONE));
  TRY(dnnl_memory_create(&result->scratchpad, scratchpad, d->engine, DNNL_MEMORY_NONE));

  dnnl_primitive_desc_t reorder;
  int unpacks = pass == BACKWARD_WEIGHTS;
  TRY(dnnl_reorder_primitive_desc_create(
      &reorder, unpacks ? packed : VIEW(d->weights), d->engine, unpacks ? VIEW(d->weights) : packed, d->engine, NULL));
  dnnl_status_t status = dnnl_primitive_create(&result->reorder, reorder);
  dnnl_primitive_desc_destroy(reorder);
  return status;
}

static dnnl_status_t create_passes(cdnn_convolution *c, const struct description *d, int training) {
  dnnl_primitive_desc_t forward;
  TRY(describe_pass(&forward, d, FORWARD, NULL));
  dnnl_status_t status = create_direction(&c->passes[FORWARD], d, FORWARD, forward);
  for (enum pass pass = BACKWARD_INPUT; training && pass < PASSES && status == dnnl_success; pass++) {
    dnnl_primitive_desc_t operation;
    status = describe_pass(&operation, d, pass, forward);
    if (status != dnnl_success) break;
    status = create_direction(&c->passes[pass], d, pass, operation);
    dnnl_primitive_desc_destroy(operation);
  }
  dnnl_primitive_desc_destroy(forward);
  return status;
}

static dnnl_status_t fill(cdnn_convolution *c, struct description *d, const cdnn_convolution_shape *shape) {
  TRY(describe(d, shape));
  TRY(dnnl_stream_create(&c->stream, d->engine, dnnl_stream_default_flags));
  TRY(create_passes(c, d, shape->training));
  TRY(dnnl_memory_create(&c->x, VIEW(d->x), d->engine, DNNL_MEMORY_NONE));
  TRY(dnnl_memory_create(&c->dx, VIEW(d->dx), d->engine, DNNL_MEMORY_NONE));
  TRY(dnnl_memory_create(&c->y, VIEW(d->y), d->engine, DNNL_MEMORY_NONE));
  TRY(dnnl_memory_create(&c->dy, VIEW(d->dy), d->engine, DNNL_MEMORY_NONE));
  TRY(dnnl_memory_create(&c->weights, VIEW(d->weights), d->engine, DNNL_MEMORY_NONE));
  TRY(dnnl_memory_create(&c->bias, VIEW(d->bias), d->engine, DNNL_MEMORY_NONE));
  c->outputs = shape->outputs;
  c->weight_count = shape->outputs * shape->inputs * shape->kernel * shape->kernel;
  c->scale = shape->scale;
  for (enum pass pass = FORWARD; pass < PASSES; pass++) {
    char *end = (char *)divide(c, pass, NULL).scratchpad + aligned(c->passes[pass].scratchpad_bytes);
    if ((size_t)end > c->scratch_bytes) c->scratch_bytes = (size_t)end;
  }
  return dnnl_success;
}

int cdnn_convolution_create(cdnn_convolution **result, const cdnn_convolution_shape *shape) {
  cdnn_convolution *c = calloc(1, sizeof *c);
  if (!c) return dnnl_out_of_memory;
  struct description description = {0};
  dnnl_status_t status = fill(c, &description, shape);
  free_description(&description);
  if (status == dnnl_success) {
    *result = c;
  } else {
    cdnn_convolution_destroy(c);
  }
  return status;
}

void cdnn_convolution_destroy(cdnn_convolution *c) {
  for (enum pass pass = FORWARD; pass < PASSES; pass++) {
    struct direction *p = &c->passes[pass];
    if (p->primitive) dnnl_primitive_destroy(p->primitive);
    if (p->reorder) dnnl_primitive_destroy(p->reorder);
    if (p->packed) dnnl_memory_destroy(p->packed);
    if (p->scratchpad) dnnl_memory_destroy(p->scratchpad);
  }
  dnnl_memory_t memories[] = {c->x, c->dx, c->y, c->dy, c->weights, c->bias};
  for (int i = 0; i < 6; i++) {
    if (memories[i]) dnnl_memory_destroy(memories[i]);
  }
  if (c->stream) dnnl_stream_destroy(c->stream);
  free(c);
}

size_t cdnn_convolution_scratch_bytes(const cdnn_convolution *c) { return c->scratch_bytes; }

static dnnl_status_t point(dnnl_memory_t memory, const void *array) {
  return dnnl_memory_set_data_handle(memory, (void *)array);
}

static dnnl_status_t reorder(cdnn_convolution *c, struct direction *p, dnnl_memory_t from, dnnl_memory_t to) {
  dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
  return dnnl_primitive_execute(p->reorder, c->stream, 2, arguments);
}

/// Copies scale · weights into the layout that the pass wants.
static dnnl_status_t pack(cdnn_convolution *c, struct direction *p, const float *weights, struct scratch_parts parts) {
  if (c->scale != 1) {
    for (size_t i = 0; i < c->weight_count; i++) parts.plain[i] = c->scale * weights[i];
    weights = parts.plain;
  }
  TRY(point(c->weights, weights));
  TRY(point(p->packed, parts.packed));
  return reorder(c, p, c->weights, p->packed);
}

int cdnn_convolution_forward(
    cdnn_convolution *c, const void *x, const float *weights, const float *bias, void *y, void *scratch) {
  struct direction *p = &c->passes[FORWARD];
  struct scratch_parts parts = divide(c, FORWARD, scratch);
  TRY(pack(c, p, weights, parts));
  for (size_t i = 0; i < c->outputs; i++) parts.bias[i] = c->scale * bias[i];
  TRY(point(c->x, x));
  TRY(point(c->bias, parts.bias));
  TRY(point(c->y, y));
  TRY(point(p->scratchpad, parts.scratchpad));
  dnnl_exec_arg_t arguments[] = {
      {DNNL_ARG_SRC, c->x}, {DNNL_ARG_WEIGHTS, p->packed}, {DNNL_ARG_BIAS, c->bias}, {DNNL_ARG_DST, c->y},
      {DNNL_ARG_SCRATCHPAD, p->scratchpad}};
  TRY(dnnl_primitive_execute(p->primitive, c->stream, 5, arguments));
  return dnnl_stream_wait(c->stream);
}

int cdnn_convolution_backward_input(
    cdnn_convolution *c, const void *dy, const float *weights, void *dx, void *scratch) {
  struct direction *p = &c->passes[BACKWARD_INPUT];
  struct scratch_parts parts = divide(c, BACKWARD_INPUT, scratch);
  TRY(pack(c, p, weights, parts));
  TRY(point(c->dx, dx));
  TRY(point(c->dy, dy));
  TRY(point(p->scratchpad, parts.scratchpad));
  dnnl_exec_arg_t arguments[] = {
      {DNNL_ARG_DIFF_SRC, c->dx}, {DNNL_ARG_WEIGHTS, p->packed}, {DNNL_ARG_DIFF_DST, c->dy},
      {DNNL_ARG_SCRATCHPAD, p->scratchpad}};
  TRY(dnnl_primitive_execute(p->primitive, c->stream, 4, arguments));
  return dnnl_stream_wait(c->stream);
}

int cdnn_convolution_backward_weights(
    cdnn_convolution *c, const void *x, const void *dy, float *dweights, float *dbias, void *scratch) {
  struct direction *p = &c->passes[BACKWARD_WEIGHTS];
  struct scratch_parts parts = divide(c, BACKWARD_WEIGHTS, scratch);
  TRY(point(c->x, x));
  TRY(point(c->dy, dy));
  TRY(point(p->packed, parts.packed));
  TRY(point(c->bias, parts.bias));
  TRY(point(p->scratchpad, parts.scratchpad));
  dnnl_exec_arg_t arguments[] = {
      {DNNL_ARG_SRC, c->x}, {DNNL_ARG_DIFF_DST, c->dy}, {DNNL_ARG_DIFF_WEIGHTS, p->packed}, {DNNL_ARG_DIFF_BIAS, c->bias},
      {DNNL_ARG_SCRATCHPAD, p->scratchpad}};
  TRY(dnnl_primitive_execute(p->primitive, c->stream, 5, arguments));
  TRY(point(c->weights, parts.plain));
  TRY(reorder(c, p, p->packed, c->weights));
  TRY(dnnl_stream_wait(c->stream));
  for (size_t i = 0; i < c->weight_count; i++) dweights[i] += c->scale * parts.plain[i];
  for (size_t i = 0; i < c->outputs; i++) dbias[i] += c->scale * parts.bias[i];
  return dnnl_success;
}
