#pragma once
#include "CImages.h"
#include <vips/vips.h>

/// Keeps libvips' message, without its line breaks, for images_error. Returns -1.
int images_failed(void);

/// `image`, of any color space and depth, as sRGB of 8 bits on white: one of the objects in `stage`, which has room for
/// IMAGES_COLOR_STAGES, or `image` itself. NULL where libvips refuses.
VipsImage *images_to_srgb(VipsImage *image, VipsImage **stage);
/// Whether the numbers of `image` are colors whose range is known. Reads all pixels of a floating-point image; -1 where that fails.
int images_has_known_range(VipsImage *image);
enum { IMAGES_COLOR_STAGES = 18 };
