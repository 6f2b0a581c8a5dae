// What Swift cannot import of libvips: its calls take lists of options.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// Starts libvips: one thread, no cache, loaders of untrusted formats off. Returns 0, or -1 with a reason.
int images_start(void);

/// The reason of the last failure on this thread.
const char *images_error(void);

/// Why a file is not decoded, besides -1 for damage.
enum {
  /// The image has more pixels than the limit.
  IMAGES_TOO_LARGE = -2,
  /// It is no image file, or one of a kind that is not read from strangers.
  IMAGES_OTHER_KIND = -3,
  /// Its numbers are no colors of a known range: floating-point numbers far outside 0 to 1, or integers of more than 16 bits or
  /// with a sign.
  IMAGES_OTHER_RANGE = -4,
};

/// An opened image file.
typedef struct images_decoder images_decoder;

/// The pixels that are decoded, and those of the whole image, `reduction` times as many a side; a rest that fills no pixel is cut
/// off at the right and lower edge.
typedef struct {
  int width, height, full_width, full_height, reduction;
} images_size;

/// Reads the header of an image file of `size` bytes, and prepares its decoding into sRGB: EXIF orientation applied, color
/// profile applied, transparency on white, the first frame of several. Refuses more than `max_pixels`. Where `least_side` is not
/// 0, a JPEG may come reduced by 2, 4 or 8, its shorter side still at least that long. Returns 0, -1, IMAGES_TOO_LARGE (with the
/// size), IMAGES_OTHER_KIND or IMAGES_OTHER_RANGE.
int images_open(const void *bytes, size_t size, int64_t max_pixels, int least_side, images_decoder **decoder,
                images_size *dimensions);

/// Decodes into `width * height * 3` bytes, and frees the decoder, whose file must still be in memory. Returns 0 or -1.
int images_read(images_decoder *decoder, uint8_t *pixels);

/// Whether a JPEG file has every coefficient of its image, undamaged. Its end marker may stand before other bytes.
int images_is_whole_jpeg(const void *bytes, size_t size);

/// Compresses sRGB pixels as PNG. The caller frees `*png` with images_free. Returns 0 or -1.
int images_png(const uint8_t *pixels, int width, int height, uint8_t **png, size_t *size);

/// Compresses sRGB pixels as JPEG, `quality` from 1 to 100. The caller frees `*jpeg` with images_free. Returns 0 or -1.
int images_jpeg(const uint8_t *pixels, int width, int height, int quality, uint8_t **jpeg, size_t *size);

/// Renders UTF-8 text, wrapped to `width` pixels and centered, as one byte of coverage per pixel. `font` is a Pango font
/// description. The caller frees `*mask` with images_free. Returns 0 or -1.
int images_text(const char *text, const char *font, int width, uint8_t **mask, int *mask_width, int *mask_height);

void images_free(void *memory);
