// What the files of this target share: the engine, and what differs between oneDNN's versions 2 and 3.
#pragma once
#include <dnnl.h>

#define TRY(call)                            \
  do {                                       \
    dnnl_status_t status_ = (call);          \
    if (status_ != dnnl_success) return status_; \
  } while (0)

// A memory descriptor is a struct in version 2 and a handle in version 3.
#if DNNL_VERSION_MAJOR >= 3
typedef const_dnnl_memory_desc_t descriptor_view;
#define VIEW(descriptor) (descriptor)
#else
typedef const dnnl_memory_desc_t *descriptor_view;
#define VIEW(descriptor) (&(descriptor))
#endif

static inline void free_descriptor(dnnl_memory_desc_t *descriptor) {
#if DNNL_VERSION_MAJOR >= 3
  if (*descriptor) dnnl_memory_desc_destroy(*descriptor);
#endif
  (void)descriptor;
}

/// The process's CPU engine.
dnnl_status_t get_engine(dnnl_engine_t *engine);

/// Whether bf16 has at least fp32's throughput. Only where the CPU has AVX512_BF16.
int cdnn_has_fast_dot_products(void);
