#include "images.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool fail(images_picture *out, const char *message) {
  snprintf(out->message, sizeof out->message, "%s", message);
  images_free(out);
  return false;
}

static bool start(images_picture *out, uint32_t channels) {
  memset(out, 0, sizeof *out);
  return channels == 1 || channels == 3 || fail(out, "1 or 3 channels are wanted");
}

// Takes memory for the samples once the size is known and within the limit.
static bool reserve(images_picture *out, uint64_t width, uint64_t height, uint32_t channels, uint64_t max_pixels) {
  if (width == 0 || height == 0 || width > UINT32_MAX || height > UINT32_MAX || width > max_pixels / height) {
    images_free(out);
    snprintf(out->message, sizeof out->message, "%llu x %llu pixels are more than the limit of %llu",
             (unsigned long long)width, (unsigned long long)height, (unsigned long long)max_pixels);
    return false;
  }
  out->width = (uint32_t)width;
  out->height = (uint32_t)height;
  out->samples = malloc((size_t)(width * height * channels));
  return out->samples != NULL || fail(out, "out of memory");
}

void images_free(images_picture *picture) {
  free(picture->samples);
  picture->samples = NULL;
}

// libpng 1.6, simplified API: the control structure and the three names that reading from memory takes.
typedef struct {
  void *opaque;
  uint32_t version, width, height, format, flags, colormap_entries, warning_or_error;
  char message[64];
} png_control;
typedef struct {
  uint8_t red, green, blue;
} png_background;
enum { png_control_version = 1, png_grey = 0, png_rgb = 2 };

bool images_decode_png(const void *bytes, size_t count, uint32_t channels, uint64_t max_pixels, images_picture *out) {
  if (!start(out, channels)) return false;
  void *library = dlopen("libpng16.so.16", RTLD_NOW | RTLD_LOCAL);
  if (!library) return fail(out, "libpng16.so.16 is missing; install libpng16-16");
  int (*begin)(png_control *, const void *, size_t) = dlsym(library, "png_image_begin_read_from_memory");
  int (*finish)(png_control *, const png_background *, void *, int32_t, void *) =
      dlsym(library, "png_image_finish_read");
  void (*release)(png_control *) = dlsym(library, "png_image_free");
  if (!begin || !finish || !release) return fail(out, "libpng16.so.16 has no simplified API");

  png_control image = {.version = png_control_version};
  if (!begin(&image, bytes, count)) return fail(out, image.message);
  if (!reserve(out, image.width, image.height, channels, max_pixels)) {
    release(&image);
    return false;
  }
  image.format = channels == 1 ? png_grey : png_rgb;
  png_background white = {255, 255, 255};
  // Row stride 0: rows stand close to each other.
  if (!finish(&image, &white, out->samples, 0, NULL)) return fail(out, image.message);
  return true;
}

enum { tj_rgb = 0, tj_grey = 6, tj_warning = 0 };

bool images_decode_jpeg(const void *bytes, size_t count, uint32_t channels, uint64_t max_pixels, images_picture *out) {
  if (!start(out, channels)) return false;
  void *library = dlopen("libturbojpeg.so.0", RTLD_NOW | RTLD_LOCAL);
  if (!library) return fail(out, "libturbojpeg.so.0 is missing; install libturbojpeg0");
  void *(*open)(void) = dlsym(library, "tjInitDecompress");
  int (*header)(void *, const uint8_t *, unsigned long, int *, int *, int *, int *) =
      dlsym(library, "tjDecompressHeader3");
  int (*decode)(void *, const uint8_t *, unsigned long, uint8_t *, int, int, int, int, int) =
      dlsym(library, "tjDecompress2");
  int (*code)(void *) = dlsym(library, "tjGetErrorCode");
  char *(*text)(void *) = dlsym(library, "tjGetErrorStr2");
  int (*close)(void *) = dlsym(library, "tjDestroy");
  if (!open || !header || !decode || !code || !text || !close) return fail(out, "libturbojpeg.so.0 is too old");

  void *reader = open();
  if (!reader) return fail(out, "libturbojpeg can't start");
  int width = 0, height = 0, sampling = 0, colours = 0;
  bool done = false;
  if (header(reader, bytes, count, &width, &height, &sampling, &colours) != 0 || width <= 0 || height <= 0) {
    fail(out, text(reader));
  } else if (reserve(out, (uint64_t)width, (uint64_t)height, channels, max_pixels)) {
    int format = channels == 1 ? tj_grey : tj_rgb;
    // A warning (stray bytes, a cut end) still leaves a picture worth using.
    done = decode(reader, bytes, count, out->samples, width, 0, height, format, 0) == 0 || code(reader) == tj_warning;
    if (!done) fail(out, text(reader));
  }
  close(reader);
  return done;
}
