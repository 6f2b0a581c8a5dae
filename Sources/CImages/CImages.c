#include "Internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vips/vips.h>

static _Thread_local char reason[512];

int images_failed(void) {
  const char *text = vips_error_buffer();
  snprintf(reason, sizeof reason, "%s", *text ? text : "unknown reason");
  vips_error_clear();
  size_t length = strlen(reason);
  while (length && reason[length - 1] == '\n') reason[--length] = 0;
  for (char *c = reason; *c; c++)
    if (*c == '\n') *c = ';';
  return -1;
}

const char *images_error(void) { return reason; }

void images_free(void *memory) { g_free(memory); }

int images_start(void) {
  // Damaged images are errors here; libvips' warnings about readable oddities would drown the ranks' output.
  setenv("VIPS_WARNING", "0", 0);
  if (vips_init("dalle")) return images_failed();
  vips_concurrency_set(1);
  vips_cache_set_max(0);
  vips_block_untrusted_set(TRUE);
  return 0;
}

/// An image that reads the caller's pixels where they are.
static VipsImage *image_of(const uint8_t *pixels, int width, int height) {
  VipsImage *image = vips_image_new_from_memory(pixels, (size_t)width * height * 3, width, height, 3, VIPS_FORMAT_UCHAR);
  if (image) image->Type = VIPS_INTERPRETATION_sRGB;
  return image;
}

int images_png(const uint8_t *pixels, int width, int height, uint8_t **png, size_t *size) {
  VipsImage *image = image_of(pixels, width, height);
  if (!image) return images_failed();
  int code = vips_pngsave_buffer(image, (void **)png, size, NULL);
  g_object_unref(image);
  return code ? images_failed() : 0;
}

int images_jpeg(const uint8_t *pixels, int width, int height, int quality, uint8_t **jpeg, size_t *size) {
  VipsImage *image = image_of(pixels, width, height);
  if (!image) return images_failed();
  int code = vips_jpegsave_buffer(image, (void **)jpeg, size, "Q", quality, "optimize_coding", TRUE, NULL);
  g_object_unref(image);
  return code ? images_failed() : 0;
}

int images_text(const char *text, const char *font, int width, uint8_t **mask, int *mask_width, int *mask_height) {
  char *markup = g_markup_escape_text(text, -1);
  VipsImage *image = NULL;
  int code =
      vips_text(&image, markup, "font", font, "width", width, "align", VIPS_ALIGN_CENTRE, "dpi", 72, NULL);
  g_free(markup);
  if (code) return images_failed();
  size_t length;
  *mask = vips_image_write_to_memory(image, &length);
  *mask_width = image->Xsize;
  *mask_height = image->Ysize;
  g_object_unref(image);
  return *mask ? 0 : images_failed();
}
