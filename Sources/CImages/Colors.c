#include "Internal.h"
#include <string.h>

static uint32_t big_endian(const uint8_t *bytes) {
  return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/// Whether a color profile calls itself sRGB, as most do: nothing is to be done then, and setting a transform up takes longer
/// than decoding. (ICC.1: 128 bytes, a count, entries of signature, offset, size; the text of versions 2 and 4.)
static int is_srgb(const uint8_t *profile, size_t size) {
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

/// What is to be done with an image's color profile.
enum profile { profile_none, profile_srgb, profile_other };

/// A profile that is broken, or made for another number of colors than `image` has, counts as none: browsers and libvips' own
/// viewer do so, too.
static enum profile profile_of(VipsImage *image) {
  const void *blob;
  size_t size;
  if (!vips_image_get_typeof(image, VIPS_META_ICC_NAME)) return profile_none;
  if (vips_image_get_blob(image, VIPS_META_ICC_NAME, &blob, &size) || size < 132) return profile_none;
  const uint8_t *profile = blob;
  // ICC.1, 7.2.6: the color space of the data.
  const char *space = image->Bands >= 4 ? "CMYK" : image->Bands == 3 ? "RGB " : "GRAY";
  if (memcmp(profile + 16, space, 4)) return profile_none;
  return is_srgb(profile, size) ? profile_srgb : profile_other;
}

/// Numbers from 0 to 1, as floating-point files have them, as 16 bits. They are taken as encoded like sRGB, which is how programs
/// write them; a color space of floats (Lab, XYZ) stays.
static VipsImage *of_16_bits(VipsImage *image, VipsImage **stage) {
  VipsInterpretation type = image->Bands >= 3 ? VIPS_INTERPRETATION_RGB16 : VIPS_INTERPRETATION_GREY16;
  if (vips_linear1(image, &stage[0], 65535.0, 0.5, NULL) || vips_cast_ushort(stage[0], &stage[1], NULL) ||
      vips_copy(stage[1], &stage[2], "interpretation", type, NULL))
    return NULL;
  return stage[2];
}

static int is_float(VipsImage *image) {
  return image->BandFmt == VIPS_FORMAT_FLOAT || image->BandFmt == VIPS_FORMAT_DOUBLE;
}

static int is_lab_or_xyz(VipsImage *image) {
  return image->Type == VIPS_INTERPRETATION_LAB || image->Type == VIPS_INTERPRETATION_XYZ;
}

/// Inks without a profile as browsers and Pillow show them, which is how who wrote the caption saw them: the light that an ink lets
/// pass times that of black. libvips would take a press for granted, whose pure blue is (26, 39, 123).
static VipsImage *of_inks(VipsImage *image, VipsImage **stage) {
  double most = image->BandFmt == VIPS_FORMAT_USHORT ? 65535.0 : 255.0;
  if (vips_linear1(image, &stage[0], -1, most, NULL) || vips_extract_band(stage[0], &stage[1], 0, "n", 3, NULL) ||
      vips_extract_band(stage[0], &stage[2], 3, NULL) || vips_multiply(stage[1], stage[2], &stage[3], NULL) ||
      vips_linear1(stage[3], &stage[4], 255 / (most * most), 0.5, "uchar", TRUE, NULL) ||
      vips_copy(stage[4], &stage[5], "interpretation", VIPS_INTERPRETATION_sRGB, NULL))
    return NULL;
  return stage[5];
}

static int is_inks(VipsImage *image) { return image->Type == VIPS_INTERPRETATION_CMYK && image->Bands >= 4; }

int images_has_known_range(VipsImage *image) {
  if (is_lab_or_xyz(image) || image->Type == VIPS_INTERPRETATION_LABS || image->Type == VIPS_INTERPRETATION_LABQ) return 1;
  if (!is_float(image)) return image->BandFmt == VIPS_FORMAT_UCHAR || image->BandFmt == VIPS_FORMAT_USHORT;
  double least, most;
  if (vips_min(image, &least, NULL) || vips_max(image, &most, NULL)) return -1;
  // Highlights and what sharpening leaves may lie somewhat outside 0 to 1, and are cut; 0 to 255 would be white everywhere.
  return least >= -1 && most <= 2;
}

VipsImage *images_to_srgb(VipsImage *image, VipsImage **stage) {
  if (is_float(image) && !is_lab_or_xyz(image) && !(image = of_16_bits(image, stage))) return NULL;
  // Deep colors and inks are converted without their transparency, which the conversions lose or leave at 16 bits.
  VipsImage *alpha = NULL;
  if (vips_image_hasalpha(image) && (image->BandFmt != VIPS_FORMAT_UCHAR || is_inks(image))) {
    double most = image->BandFmt == VIPS_FORMAT_USHORT ? 65535.0 : 255.0;
    if (vips_extract_band(image, &stage[3], image->Bands - 1, NULL) ||
        vips_linear1(stage[3], &stage[4], 255.0 / most, 0, "uchar", TRUE, NULL) ||
        vips_extract_band(image, &stage[5], 0, "n", image->Bands - 1, NULL))
      return NULL;
    alpha = stage[4];
    image = stage[5];
  }
  enum profile profile = profile_of(image);
  if (profile == profile_other || (profile == profile_srgb && image->Type != VIPS_INTERPRETATION_sRGB)) {
    if (vips_icc_transform(image, &stage[6], "srgb", "embedded", TRUE, "depth", 8, NULL) == 0) image = stage[6];
    else profile = profile_none;
  }
  if (is_inks(image) && !(image = of_inks(image, stage + 12))) return NULL;
  if (image->Type != VIPS_INTERPRETATION_sRGB) {
    // Conversions would use the profile that does not fit.
    if (profile == profile_none && vips_image_get_typeof(image, VIPS_META_ICC_NAME)) {
      if (vips_copy(image, &stage[7], NULL)) return NULL;
      image = stage[7];
      vips_image_remove(image, VIPS_META_ICC_NAME);
    }
    if (vips_colourspace(image, &stage[8], VIPS_INTERPRETATION_sRGB, NULL)) return NULL;
    image = stage[8];
  }
  if (image->BandFmt != VIPS_FORMAT_UCHAR) {
    if (vips_cast_uchar(image, &stage[9], NULL)) return NULL;
    image = stage[9];
  }
  if (alpha) {
    if (vips_bandjoin2(image, alpha, &stage[10], NULL)) return NULL;
    image = stage[10];
  }
  if (vips_image_hasalpha(image)) {
    VipsArrayDouble *white = vips_array_double_newv(1, 255.0);
    int code = vips_flatten(image, &stage[11], "background", white, "max_alpha", 255.0, NULL);
    vips_area_unref(VIPS_AREA(white));
    if (code) return NULL;
    image = stage[11];
  }
  return image;
}
