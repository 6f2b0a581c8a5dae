#include "Internal.h"
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

/// An opened image file, between images_open and images_read.
struct images_decoder {
  VipsImage *image;
  /// The file, if it is a JPEG whose pixels are the image's; else NULL.
  const void *plain_jpeg;
  size_t size;
  int reduction;
};

/// The loaders that libvips trusts with files of strangers, less its renderers of documents: what else it finds is not read.
static int is_readable(const void *bytes, size_t size) {
  static const char *const loaders[] = {"VipsForeignLoadJpegBuffer",  "VipsForeignLoadPngBuffer",  "VipsForeignLoadWebpBuffer",
                                        "VipsForeignLoadNsgifBuffer", "VipsForeignLoadTiffBuffer", "VipsForeignLoadHeifBuffer"};
  const char *loader = vips_foreign_find_load_buffer(bytes, size);
  for (size_t i = 0; loader && i < sizeof loaders / sizeof *loaders; i++)
    if (!strcmp(loader, loaders[i])) return 1;
  return 0;
}

static VipsImage *load(const void *bytes, size_t size, int reduction) {
  // Rows are decoded as they are asked for, into the caller's memory.
  if (reduction == 1)
    return vips_image_new_from_buffer(bytes, size, "", "fail_on", VIPS_FAIL_ON_TRUNCATED, "access",
                                      VIPS_ACCESS_SEQUENTIAL, NULL);
  return vips_image_new_from_buffer(bytes, size, "", "fail_on", VIPS_FAIL_ON_TRUNCATED, "access",
                                    VIPS_ACCESS_SEQUENTIAL, "shrink", reduction, NULL);
}

static int is_jpeg(const void *bytes, size_t size) { return size > 2 && !memcmp(bytes, "\xFF\xD8\xFF", 3); }

/// The largest factor by which `image` may come reduced.
static int reduction_of(VipsImage *image, int least_side) {
  int reduction = 1;
  while (least_side && reduction < 8 && VIPS_MIN(image->Xsize, image->Ysize) / (2 * reduction) >= least_side) reduction *= 2;
  // A rest is cut off at the file's right and lower edge, which turning would put elsewhere.
  if (vips_image_get_orientation(image) != 1)
    while (image->Xsize % reduction || image->Ysize % reduction) reduction /= 2;
  return reduction;
}

int images_open(const void *bytes, size_t size, int64_t max_pixels, int least_side, images_decoder **decoder,
                images_size *dimensions) {
  vips_error_clear();
  if (!is_readable(bytes, size)) {
    vips_error_clear();
    return IMAGES_OTHER_KIND;
  }
  // Owns every stage; releasing it releases them all.
  VipsImage *owner = vips_image_new();
  VipsImage **stage = (VipsImage **)vips_object_local_array(VIPS_OBJECT(owner), 5 + IMAGES_COLOR_STAGES);
  VipsImage *image = stage[0] = load(bytes, size, 1);
  if (!image) goto error;
  // Only the header has been read so far.
  *dimensions = (images_size){image->Xsize, image->Ysize, image->Xsize, image->Ysize, 1};
  if ((int64_t)image->Xsize * image->Ysize > max_pixels) {
    g_object_unref(owner);
    return IMAGES_TOO_LARGE;
  }
  int reduction = is_jpeg(bytes, size) ? reduction_of(image, least_side) : 1;
  if (reduction > 1) {
    image = stage[1] = load(bytes, size, reduction);
    if (!image) goto error;
  }
  int orientation = vips_image_get_orientation(image);
  if (orientation != 1) {
    // Turning asks for rows in another order.
    image = stage[2] = vips_image_copy_memory(image);
    if (!image || vips_autorot(image, &stage[3], NULL)) goto error;
    image = stage[3];
  }
  if (image->BandFmt == VIPS_FORMAT_FLOAT || image->BandFmt == VIPS_FORMAT_DOUBLE) {
    // Its numbers are read twice.
    image = stage[4] = vips_image_copy_memory(image);
    if (!image) goto error;
  }
  int has_known_range = images_has_known_range(image);
  if (has_known_range < 0) goto error;
  if (!has_known_range) {
    g_object_unref(owner);
    return IMAGES_OTHER_RANGE;
  }
  image = images_to_srgb(image, stage + 5);
  if (!image || image->Bands != 3) goto error;
  int is_turned = orientation >= 5;
  *dimensions = (images_size){image->Xsize, image->Ysize, is_turned ? stage[0]->Ysize : stage[0]->Xsize,
                              is_turned ? stage[0]->Xsize : stage[0]->Ysize, reduction};
  images_decoder *opened = *decoder = g_new0(images_decoder, 1);
  opened->image = g_object_ref(image);
  if (is_jpeg(bytes, size) && (image == stage[0] || image == stage[1])) opened->plain_jpeg = bytes;
  opened->size = size;
  opened->reduction = reduction;
  g_object_unref(owner);
  return 0;
error:
  g_object_unref(owner);
  return images_failed();
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
  decoder.scale_denom = opened->reduction;
  jpeg_start_decompress(&decoder);
  // libjpeg rounds up what is cut off here.
  unsigned width = opened->image->Xsize, height = opened->image->Ysize;
  if (decoder.output_width - width > 1 || decoder.output_height - height > 1) end_jpeg((j_common_ptr)&decoder);
  size_t bytes = (size_t)decoder.output_width * 3;
  JSAMPROW spare = decoder.mem->alloc_large((j_common_ptr)&decoder, JPOOL_IMAGE, bytes);
  while (decoder.output_scanline < decoder.output_height) {
    uint8_t *target = pixels + (size_t)decoder.output_scanline * width * 3;
    int is_kept = decoder.output_scanline < height;
    JSAMPROW row = is_kept && decoder.output_width == width ? target : spare;
    jpeg_read_scanlines(&decoder, &row, 1);
    if (is_kept && row == spare) memcpy(target, spare, (size_t)width * 3);
  }
  jpeg_finish_decompress(&decoder);
  jpeg_destroy_decompress(&decoder);
  return 0;
}

int images_is_whole_jpeg(const void *bytes, size_t size) {
  if (!is_jpeg(bytes, size)) return 0;
  struct jpeg_decompress_struct decoder;
  struct jpeg_trouble trouble;
  decoder.err = jpeg_std_error(&trouble.manager);
  trouble.manager.error_exit = end_jpeg;
  trouble.manager.emit_message = end_jpeg_if_warned;
  if (setjmp(trouble.end)) {
    jpeg_destroy_decompress(&decoder);
    return 0;
  }
  jpeg_create_decompress(&decoder);
  jpeg_mem_src(&decoder, bytes, size);
  jpeg_read_header(&decoder, TRUE);
  jpeg_read_coefficients(&decoder);
  // A file may end between two of its scans: each coefficient must have come with all its bits.
  int is_whole = decoder.progressive_mode || !jpeg_has_multiple_scans(&decoder);
  if (decoder.progressive_mode)
    for (int component = 0; component < decoder.num_components; component++)
      for (int place = 0; place < DCTSIZE2; place++) is_whole &= decoder.coef_bits[component][place] == 0;
  jpeg_destroy_decompress(&decoder);
  return is_whole;
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
  return code ? images_failed() : 0;
}

