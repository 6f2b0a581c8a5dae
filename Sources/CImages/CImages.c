#include "CImages.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vips/vips.h>

static _Thread_local char reason[512];

/// Keeps libvips' message, without its line breaks, for images_error.
static int failed(void) {
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
  // Damaged pictures are errors here; libvips' warnings about readable oddities would drown the ranks' output.
  setenv("VIPS_WARNING", "0", 0);
  if (vips_init("dalle")) return failed();
  vips_concurrency_set(1);
  vips_cache_set_max(0);
  vips_block_untrusted_set(TRUE);
  return 0;
}

int images_decode(const void *bytes, size_t size, int64_t max_pixels, uint8_t **pixels, int *width,
                  int *height) {
  // Holds every stage; dropping it drops them all.
  VipsImage *owner = vips_image_new();
  VipsImage **stage = (VipsImage **)vips_object_local_array(VIPS_OBJECT(owner), 6);
  stage[0] = vips_image_new_from_buffer(bytes, size, "", "fail_on", VIPS_FAIL_ON_TRUNCATED, NULL);
  VipsImage *image = stage[0];
  if (!image) goto error;
  // Only the header has been read so far.
  if ((int64_t)image->Xsize * image->Ysize > max_pixels) {
    vips_error("decode", "%d x %d pixels are more than the limit of %lld", image->Xsize, image->Ysize,
               (long long)max_pixels);
    g_object_unref(owner);
    failed();
    return IMAGES_TOO_LARGE;
  }
  if (vips_autorot(image, &stage[1], NULL)) goto error;
  image = stage[1];
  if (vips_image_get_typeof(image, VIPS_META_ICC_NAME) &&
      vips_icc_transform(image, &stage[2], "srgb", "embedded", TRUE, "depth", 8, NULL) == 0)
    image = stage[2];
  else
    vips_error_clear();  // a broken profile counts as none
  if (vips_colourspace(image, &stage[3], VIPS_INTERPRETATION_sRGB, NULL)) goto error;
  image = stage[3];
  if (vips_image_hasalpha(image)) {
    VipsArrayDouble *white = vips_array_double_newv(1, 255.0);
    int code = vips_flatten(image, &stage[4], "background", white, "max_alpha", 255.0, NULL);
    vips_area_unref(VIPS_AREA(white));
    if (code) goto error;
    image = stage[4];
  }
  if (vips_cast_uchar(image, &stage[5], NULL)) goto error;
  image = stage[5];
  if (image->Bands != 3) {
    vips_error("decode", "has %d colour bands", image->Bands);
    goto error;
  }
  size_t length;
  *pixels = vips_image_write_to_memory(image, &length);
  if (!*pixels) goto error;
  *width = image->Xsize;
  *height = image->Ysize;
  g_object_unref(owner);
  return 0;
error:
  g_object_unref(owner);
  return failed();
}

/// An image that reads the caller's pixels where they are.
static VipsImage *image_of(const uint8_t *pixels, int width, int height) {
  VipsImage *image = vips_image_new_from_memory(pixels, (size_t)width * height * 3, width, height, 3, VIPS_FORMAT_UCHAR);
  if (image) image->Type = VIPS_INTERPRETATION_sRGB;
  return image;
}

int images_png(const uint8_t *pixels, int width, int height, uint8_t **png, size_t *size) {
  VipsImage *image = image_of(pixels, width, height);
  if (!image) return failed();
  int code = vips_pngsave_buffer(image, (void **)png, size, NULL);
  g_object_unref(image);
  return code ? failed() : 0;
}

int images_jpeg(const uint8_t *pixels, int width, int height, int quality, uint8_t **jpeg, size_t *size) {
  VipsImage *image = image_of(pixels, width, height);
  if (!image) return failed();
  int code = vips_jpegsave_buffer(image, (void **)jpeg, size, "Q", quality, "optimize_coding", TRUE, NULL);
  g_object_unref(image);
  return code ? failed() : 0;
}

int images_text(const char *text, const char *font, int width, uint8_t **mask, int *mask_width, int *mask_height) {
  char *markup = g_markup_escape_text(text, -1);
  VipsImage *image = NULL;
  int code =
      vips_text(&image, markup, "font", font, "width", width, "align", VIPS_ALIGN_CENTRE, "dpi", 72, NULL);
  g_free(markup);
  if (code) return failed();
  size_t length;
  *mask = vips_image_write_to_memory(image, &length);
  *mask_width = image->Xsize;
  *mask_height = image->Ysize;
  g_object_unref(image);
  return *mask ? 0 : failed();
}
