#include "CImages.h"
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vips/vips.h>

#include <jpeglib.h>

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
  // Damaged images are errors here; libvips' warnings about readable oddities would drown the ranks' output.
  setenv("VIPS_WARNING", "0", 0);
  if (vips_init("dalle")) return failed();
  vips_concurrency_set(1);
  vips_cache_set_max(0);
  vips_block_untrusted_set(TRUE);
  return 0;
}

/// An opened image file, between images_open and images_read.
struct images_decoder {
  VipsImage *image;
  /// The file, if it is a JPEG whose pixels are the image's; else NULL.
  const void *plain_jpeg;
  size_t size;
  int shrink;
};

static VipsImage *load(const void *bytes, size_t size, int shrink) {
  // Rows are decoded as they are asked for, into the caller's memory.
  if (shrink == 1)
    return vips_image_new_from_buffer(bytes, size, "", "fail_on", VIPS_FAIL_ON_TRUNCATED, "access",
                                      VIPS_ACCESS_SEQUENTIAL, NULL);
  return vips_image_new_from_buffer(bytes, size, "", "fail_on", VIPS_FAIL_ON_TRUNCATED, "access",
                                    VIPS_ACCESS_SEQUENTIAL, "shrink", shrink, NULL);
}

static int is_jpeg(const void *bytes, size_t size) { return size > 2 && !memcmp(bytes, "\xFF\xD8\xFF", 3); }

static uint32_t big_endian(const uint8_t *bytes) {
  return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/// Whether an image's colour profile calls itself sRGB, as most do: nothing is to be done then, and setting a transform up takes
/// longer than decoding. (ICC.1: 128 bytes, a count, entries of signature, offset, size; the text of versions 2 and 4.)
static int profile_is_srgb(VipsImage *image) {
  const void *blob;
  size_t size;
  if (vips_image_get_blob(image, VIPS_META_ICC_NAME, &blob, &size) || size < 132) return 0;
  const uint8_t *profile = blob;
  for (size_t entry = 132; entry + 12 <= size && entry < 132 + 12 * (size_t)big_endian(profile + 128); entry += 12) {
    if (memcmp(profile + entry, "desc", 4)) continue;
    size_t start = big_endian(profile + entry + 4);
    if (start + 28 > size) return 0;
    if (!memcmp(profile + start, "desc", 4)) return !memcmp(profile + start + 12, "sRGB", 4);
    if (memcmp(profile + start, "mluc", 4)) return 0;
    start += big_endian(profile + start + 24);
    return start + 8 <= size && !memcmp(profile + start, "\0s\0R\0G\0B", 8);
  }
  return 0;
}

int images_open(const void *bytes, size_t size, int64_t max_pixels, int least_side, images_decoder **decoder, int *width,
                int *height) {
  // Owns every stage; releasing it releases them all.
  VipsImage *owner = vips_image_new();
  VipsImage **stage = (VipsImage **)vips_object_local_array(VIPS_OBJECT(owner), 8);
  VipsImage *image = stage[0] = load(bytes, size, 1);
  if (!image) goto error;
  // Only the header has been read so far.
  if ((int64_t)image->Xsize * image->Ysize > max_pixels) {
    vips_error("decode", "%d x %d pixels are more than the limit of %lld", image->Xsize, image->Ysize,
               (long long)max_pixels);
    g_object_unref(owner);
    failed();
    return IMAGES_TOO_LARGE;
  }
  int shrink = 1;
  while (least_side && shrink < 8 && VIPS_MIN(image->Xsize, image->Ysize) / (2 * shrink) >= least_side) shrink *= 2;
  if (shrink > 1 && is_jpeg(bytes, size)) {
    image = stage[1] = load(bytes, size, shrink);
    if (!image) goto error;
  }
  if (vips_image_get_orientation(image) != 1) {
    // Turning asks for rows in another order.
    image = stage[2] = vips_image_copy_memory(image);
    if (!image || vips_autorot(image, &stage[3], NULL)) goto error;
    image = stage[3];
  }
  if (vips_image_get_typeof(image, VIPS_META_ICC_NAME) &&
      !(image->Type == VIPS_INTERPRETATION_sRGB && profile_is_srgb(image))) {
    if (vips_icc_transform(image, &stage[4], "srgb", "embedded", TRUE, "depth", 8, NULL) == 0)
      image = stage[4];
    else
      vips_error_clear();  // a broken profile counts as none
  }
  if (image->Type != VIPS_INTERPRETATION_sRGB) {
    if (vips_colourspace(image, &stage[5], VIPS_INTERPRETATION_sRGB, NULL)) goto error;
    image = stage[5];
  }
  if (vips_image_hasalpha(image)) {
    VipsArrayDouble *white = vips_array_double_newv(1, 255.0);
    int code = vips_flatten(image, &stage[6], "background", white, "max_alpha", 255.0, NULL);
    vips_area_unref(VIPS_AREA(white));
    if (code) goto error;
    image = stage[6];
  }
  if (image->BandFmt != VIPS_FORMAT_UCHAR) {
    if (vips_cast_uchar(image, &stage[7], NULL)) goto error;
    image = stage[7];
  }
  if (image->Bands != 3) {
    vips_error("decode", "has %d colour bands", image->Bands);
    goto error;
  }
  images_decoder *opened = *decoder = g_new0(images_decoder, 1);
  opened->image = g_object_ref(image);
  if (is_jpeg(bytes, size) && (image == stage[0] || image == stage[1])) opened->plain_jpeg = bytes;
  opened->size = size;
  opened->shrink = shrink;
  g_object_unref(owner);
  *width = image->Xsize;
  *height = image->Ysize;
  return 0;
error:
  g_object_unref(owner);
  return failed();
}

/// Errors and warnings of libjpeg end the decoding.
struct jpeg_trouble {
  struct jpeg_error_mgr manager;
  jmp_buf end;
};

static void end_jpeg(j_common_ptr decoder) { longjmp(((struct jpeg_trouble *)decoder->err)->end, 1); }

static void end_jpeg_if_warned(j_common_ptr decoder, int level) {
  if (level < 0) end_jpeg(decoder);
}

/// Decodes a JPEG that needs nothing else straight into `pixels`: libvips would do the same with copies and locks that take as
/// long again. Returns -1 where anything is odd about the file; libvips then judges it.
static int read_plain_jpeg(const images_decoder *opened, uint8_t *pixels) {
  struct jpeg_decompress_struct decoder;
  struct jpeg_trouble trouble;
  decoder.err = jpeg_std_error(&trouble.manager);
  trouble.manager.error_exit = end_jpeg;
  trouble.manager.emit_message = end_jpeg_if_warned;
  if (setjmp(trouble.end)) {
    jpeg_destroy_decompress(&decoder);
    return -1;
  }
  jpeg_create_decompress(&decoder);
  jpeg_mem_src(&decoder, opened->plain_jpeg, opened->size);
  jpeg_read_header(&decoder, TRUE);
  decoder.out_color_space = JCS_RGB;
  decoder.scale_num = 1;
  decoder.scale_denom = opened->shrink;
  jpeg_start_decompress(&decoder);
  if ((int)decoder.output_width != opened->image->Xsize || (int)decoder.output_height != opened->image->Ysize)
    end_jpeg((j_common_ptr)&decoder);
  while (decoder.output_scanline < decoder.output_height) {
    JSAMPROW row = pixels + (size_t)decoder.output_scanline * decoder.output_width * 3;
    jpeg_read_scanlines(&decoder, &row, 1);
  }
  jpeg_finish_decompress(&decoder);
  jpeg_destroy_decompress(&decoder);
  return 0;
}

/// Strip by strip on this thread: libvips' own function, vips_image_write, starts a thread for every image and waits for it at
/// every strip.
static int read_strips(VipsImage *image, uint8_t *pixels) {
  VipsRect whole = {0, 0, image->Xsize, image->Ysize};
  VipsImage *memory =
      vips_image_new_from_memory(pixels, VIPS_IMAGE_SIZEOF_IMAGE(image), image->Xsize, image->Ysize, 3, VIPS_FORMAT_UCHAR);
  VipsRegion *from = vips_region_new(image), *to = vips_region_new(memory);
  int code = vips_region_image(to, &whole);
  for (int top = 0; top < image->Ysize && !code; top += 16) {
    VipsRect strip = {0, top, image->Xsize, VIPS_MIN(16, image->Ysize - top)};
    code = vips_region_prepare_to(from, to, &strip, 0, top);
  }
  g_object_unref(from);
  g_object_unref(to);
  g_object_unref(memory);
  return code;
}

int images_read(images_decoder *decoder, uint8_t *pixels) {
  int code = decoder->plain_jpeg ? read_plain_jpeg(decoder, pixels) : -1;
  if (code) code = read_strips(decoder->image, pixels);
  g_object_unref(decoder->image);
  g_free(decoder);
  return code ? failed() : 0;
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
