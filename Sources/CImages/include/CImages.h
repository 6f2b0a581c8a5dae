// What Swift cannot import of libvips: its calls take lists of options.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// Starts libvips: one thread, no cache, loaders of untrusted formats off. Returns 0, or -1 with a reason.
int images_start(void);

/// The reason of the last failure on this thread.
const char *images_error(void);

/// The picture has more pixels than the limit.
enum { IMAGES_TOO_LARGE = -2 };

/// Decodes `size` bytes of a file into `width * height * 3` bytes of sRGB: EXIF orientation applied, colour
/// profile applied, transparency on white, the first frame of several. Refuses more than `max_pixels` before decoding.
/// The caller frees `*pixels` with images_free. Returns 0, -1, or IMAGES_TOO_LARGE.
int images_decode(const void *bytes, size_t size, int64_t max_pixels, uint8_t **pixels, int *width,
                  int *height);

/// Compresses sRGB pixels as PNG. The caller frees `*png` with images_free. Returns 0 or -1.
int images_png(const uint8_t *pixels, int width, int height, uint8_t **png, size_t *size);

/// Compresses sRGB pixels as JPEG, `quality` from 1 to 100. The caller frees `*jpeg` with images_free. Returns 0 or -1.
int images_jpeg(const uint8_t *pixels, int width, int height, int quality, uint8_t **jpeg, size_t *size);

/// Draws UTF-8 text, wrapped to `width` pixels and centred, as one byte of coverage a pixel. `font` is a Pango font
/// description. The caller frees `*mask` with images_free. Returns 0 or -1.
int images_text(const char *text, const char *font, int width, uint8_t **mask, int *mask_width, int *mask_height);

void images_free(void *memory);
