// PNG and JPEG to samples, by the system's libpng16 and libturbojpeg, opened when first needed.
#ifndef STADION_IMAGES_H
#define STADION_IMAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
  uint8_t *samples;  // height x width x channels, no padding; owned, freed by images_free
  uint32_t width, height;
  char message[160];  // what went wrong, NUL-terminated; empty on success
} images_picture;

// Decodes a whole PNG. Transparent pixels are laid on white. `channels` is 1 (grey) or 3 (RGB).
// False with `message` set when the library is missing, the file is damaged or has more than `max_pixels`.
bool images_decode_png(const void *bytes, size_t count, uint32_t channels, uint64_t max_pixels, images_picture *out);
// The same for a baseline or progressive JPEG.
bool images_decode_jpeg(const void *bytes, size_t count, uint32_t channels, uint64_t max_pixels, images_picture *out);
void images_free(images_picture *picture);

#endif
