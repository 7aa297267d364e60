// Numbers from text. What the loops are made for: thousands of numbers of about the same form, so every branch on the
// form is predicted and what differs (sign, number of digits) costs no branch at all.
#include <fast_float/fast_float.h>

#include <charconv>
#include <cmath>
#include <limits>

#include "digits.h"
#include "numbers.h"

namespace {

struct Cursor {
  const char *at;
  const char *end;

  // 0 behind the end: no grammar wants it.
  char peek() const { return at < end ? *at : '\0'; }
  // Eight characters from here, 0 behind the end.
  uint64_t word() const {
    uint64_t word = 0;
    if (__builtin_expect(end - at >= 8, 1)) {
      memcpy(&word, at, 8);
    } else if (at < end) {
      memcpy(&word, at, (size_t)(end - at));
    }
    return word;
  }
  void skip_white_space() {
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t')) at++;
  }
  bool take(const char *text, size_t length) {
    if ((size_t)(end - at) < length || memcmp(at, text, length) != 0) return false;
    at += length;
    return true;
  }
  numbers_result syntax() const { return at < end ? NUMBERS_SYNTAX : NUMBERS_END; }
};

inline bool is_digit(char character) { return (unsigned char)(character - '0') <= 9; }

// MARK: Floating point

// A number as digits * 10^exponent.
struct Decimal {
  uint64_t digits = 0;
  int64_t exponent = 0;
  bool is_negative = false;
  bool is_exact = true;  // false: there were more than 19 digits
};

__attribute__((noinline)) numbers_result read_exponent(Cursor &cursor, int64_t &exponent) {
  bool is_negative = cursor.peek() == '-';
  if (is_negative || cursor.peek() == '+') cursor.at++;
  if (!is_digit(cursor.peek())) return cursor.syntax();
  int64_t value = 0;
  for (; is_digit(cursor.peek()); cursor.at++) {
    if (value < 1000000000) value = value * 10 + (*cursor.at - '0');
  }
  exponent += is_negative ? -value : value;
  return NUMBERS_OK;
}

// Checks the grammar and takes the number's characters.
inline numbers_result read_decimal(Cursor &cursor, Decimal &out) {
  out.is_negative = cursor.peek() == '-';
  cursor.at += out.is_negative;
  const char *integer = cursor.at;
  uint64_t digits = (unsigned char)(cursor.peek() - '0');
  if (digits > 9) return cursor.syntax();
  cursor.at++;
  int64_t length = digits != 0;  // digits that count; a 0 before the point doesn't
  if (is_digit(cursor.peek())) {
    if (digits == 0) return NUMBERS_SYNTAX;
    do {
      digits = digits * 10 + (uint64_t)(*cursor.at++ - '0');
    } while (is_digit(cursor.peek()));
    length = cursor.at - integer;
  }
  if (cursor.peek() == '.') {
    cursor.at++;
    const char *fraction = cursor.at;
    if (!is_digit(cursor.peek())) return cursor.syntax();
    for (; is_digit(cursor.peek()); cursor.at++) digits = digits * 10 + (uint64_t)(*cursor.at - '0');
    length += cursor.at - fraction;
    out.exponent = fraction - cursor.at;
  }
  out.digits = digits;
  out.is_exact = length <= 19;
  if ((cursor.peek() | 0x20) == 'e') {
    cursor.at++;
    return read_exponent(cursor, out.exponent);
  }
  return NUMBERS_OK;
}

constexpr int exact_power = 22;  // 10^22 is the last power of ten that a double holds
constexpr int last_power = 37;
constexpr double double_powers[last_power + 1] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22, 1e23, 1e24, 1e25, 1e26, 1e27, 1e28, 1e29, 1e30, 1e31, 1e32, 1e33, 1e34, 1e35, 1e36, 1e37,
};

inline double scaled(int64_t digits, int64_t exponent) {
  return exponent < 0 ? (double)digits / double_powers[-exponent] : (double)digits * double_powers[exponent];
}

// The double is off by at most three units in its last place: half a unit each from the digits, the power and the
// product, each at most doubled by the next step. A float is the upper 24 of its 53 bits, so rounding it is right
// unless the lower 29 bits are within those units of the half. Nothing here is below 10^-37, where floats lose bits.
inline bool convert(int64_t digits, int64_t exponent, float &out) {
  if (exponent < -last_power || exponent > last_power) return false;
  double value = scaled(digits, exponent);
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  constexpr uint64_t half = 1u << 28, margin = 4;
  out = (float)value;
  return (bits & 0x1FFFFFFF) - (half - margin) > 2 * margin;
}

// One operation on two exact doubles is rounded once; most doubles have 16 or 17 digits and are left to Lemire's
// multiplication in fast_float (Debian's libfast-float-dev), which takes the digits as they were read here.
inline bool convert(int64_t digits, int64_t exponent, double &out) {
  constexpr int64_t limit = (int64_t)1 << 53;
  if (digits <= limit && -digits <= limit && exponent >= -exact_power && exponent <= exact_power) {
    out = scaled(digits, exponent);
    return true;
  }
  using Format = fast_float::binary_format<double>;
  uint64_t magnitude = digits < 0 ? 0 - (uint64_t)digits : (uint64_t)digits;
  auto product = fast_float::compute_float<Format>(exponent, magnitude);
  uint64_t bits = product.mantissa | (uint64_t)product.power2 << 52 | (uint64_t)(digits < 0) << 63;
  memcpy(&out, &bits, sizeof out);
  return product.power2 >= 0 && product.power2 < Format::infinite_power();  // below 0: not decided
}

// Whether a number whose size no double has is close to zero rather than huge.
bool is_tiny(const char *first, const char *last) {
  int64_t exponent = 0;  // of the first digit that isn't 0
  bool is_started = false, is_fraction = false;
  for (; first < last && (*first | 0x20) != 'e'; first++) {
    if (*first == '.') {
      is_fraction = true;
    } else {
      is_started = is_started || *first != '0';
      exponent += is_fraction ? (is_started ? 0 : -1) : is_started;
    }
  }
  Cursor rest{first + 1, last};
  if (first < last) read_exponent(rest, exponent);
  return exponent < 0;
}

// For whatever the quick conversion can't decide: libstdc++ (fast_float inside) is exact for every length.
template <typename T>
__attribute__((noinline)) numbers_result convert_slowly(const char *first, const char *last, T &out) {
  auto result = std::from_chars(first, last, out);
  if (result.ec == std::errc()) return NUMBERS_OK;
  double wide = 0;
  result = std::from_chars(first, last, wide);
  bool fits_double = result.ec == std::errc();
  if (!fits_double && !is_tiny(first, last)) return NUMBERS_RANGE;
  out = wide > 1 ? std::numeric_limits<T>::infinity() : 0;
  return NUMBERS_OK;
}

__attribute__((noinline)) bool read_word(Cursor &cursor, double &out) {
  if (cursor.take("NaN", 3)) {
    out = std::numeric_limits<double>::quiet_NaN();
  } else if (cursor.take("Infinity", 8)) {
    out = std::numeric_limits<double>::infinity();
  } else if (cursor.take("-Infinity", 9)) {
    out = -std::numeric_limits<double>::infinity();
  } else {
    return false;
  }
  return true;
}

template <typename T> struct FloatKind {
  using Value = T;

  static bool can_start(char c) { return is_digit(c) || c == '-' || c == 'N' || c == 'I'; }

  // The usual form, -12.345 and a comma or bracket, with room to look ahead: returns its end, or null for `read` to
  // judge. Separate and by value, so that the loop stays in registers.
  static inline const char *read_quickly(const char *at, T &out) {
    uint64_t is_negative = *at == '-';
    at += is_negative;
    const char *integer = at;
    uint64_t digits = (unsigned char)(*at - '0');
    if (digits > 9) return nullptr;
    at++;
    if (__builtin_expect(is_digit(*at), 0)) {
      if (digits == 0) return nullptr;
      do {
        digits = digits * 10 + (uint64_t)(*at++ - '0');
      } while (is_digit(*at) && at - integer < 18);
    }
    int64_t exponent = 0;
    if (*at == '.') {
      const char *fraction = ++at;
      uint64_t word, next;
      memcpy(&word, at, 8);
      memcpy(&next, at + 8, 8);
      int first = digits::leading(word);
      // The second eight without a branch: shortest floats have 7, 8 or 9 digits in no order.
      int second = digits::leading(next) & -(first >> 3);  // 0 unless first is 8
      digits = digits * digits::powers[first] + digits::value(word, first);
      digits = digits * digits::powers[second] + digits::value(next, second);
      at += first + second;
      while (is_digit(*at) && at - fraction < 20) digits = digits * 10 + (uint64_t)(*at++ - '0');
      exponent = fraction - at;
      // 18 digits at most, the 0 before the point and the point aside: below 2^63.
      if (first == 0 || at - integer > (*integer == '0' ? 20 : 19)) return nullptr;
    }
    if (*at != ',' && *at != ']') return nullptr;
    int64_t value = (int64_t)((digits ^ (0 - is_negative)) + is_negative);
    bool is_minus_zero = value == 0 && is_negative;
    return convert(value, exponent, out) && !is_minus_zero ? at : nullptr;
  }

  static __attribute__((noinline)) numbers_result read(Cursor &cursor, T &out) {
    const char *first = cursor.at;
    Decimal decimal;
    numbers_result result = read_decimal(cursor, decimal);
    if (__builtin_expect(result != NUMBERS_OK, 0)) return read_unusual(cursor, first, result, out);
    T value;
    bool is_usual = decimal.is_exact && (int64_t)decimal.digits >= 0;
    if (!is_usual || !convert((int64_t)decimal.digits, decimal.exponent, value)) {
      result = convert_slowly<T>(first + decimal.is_negative, cursor.at, value);
      if (result != NUMBERS_OK) {
        cursor.at = first;
        return result;
      }
    }
    out = std::copysign(value, decimal.is_negative ? (T)-1 : (T)1);
    return NUMBERS_OK;
  }

  static numbers_result read_unusual(Cursor &cursor, const char *first, numbers_result result, T &out) {
    Cursor again{first, cursor.end};
    double value;
    if (!read_word(again, value)) return result;
    cursor = again;
    out = (T)value;
    return NUMBERS_OK;
  }
};

// MARK: Integers

template <typename T> struct IntegerKind {
  using Value = T;

  static bool can_start(char c) { return is_digit(c) || c == '-'; }

  static inline const char *read_quickly(const char *at, T &out) {
    bool is_negative = std::is_signed<T>::value && *at == '-';
    at += is_negative;
    uint64_t word;
    memcpy(&word, at, 8);
    int length = digits::leading(word);
    uint64_t magnitude = digits::value(word, length);
    uint64_t limit = (uint64_t)std::numeric_limits<T>::max() + is_negative;
    // A 0 in front of more digits is an error; eight digits or more are longer numbers.
    bool is_usual = length > 0 && length < 8 && !(*at == '0' && length > 1) && magnitude <= limit;
    at += length;
    if (!is_usual || (*at != ',' && *at != ']')) return nullptr;
    out = (T)(is_negative ? 0 - magnitude : magnitude);
    return at;
  }

  static __attribute__((noinline)) numbers_result read(Cursor &cursor, T &out) {
    const char *first = cursor.at;
    bool is_negative = cursor.peek() == '-';
    cursor.at += is_negative;
    uint64_t word = cursor.word();
    int length = digits::leading(word);
    if (length == 0) return cursor.syntax();
    if ((word & 0xFF) == '0' && length > 1) {
      cursor.at++;
      return NUMBERS_SYNTAX;
    }
    uint64_t magnitude = digits::value(word, length);
    cursor.at += length;
    bool overflows = false;
    if (length == 8) {
      for (; is_digit(cursor.peek()); cursor.at++) {
        overflows |= __builtin_mul_overflow(magnitude, 10, &magnitude);
        overflows |= __builtin_add_overflow(magnitude, (uint64_t)(*cursor.at - '0'), &magnitude);
      }
    }
    char next = cursor.peek();
    if (next == '.' || (next | 0x20) == 'e') return NUMBERS_FRACTION;
    uint64_t limit = (uint64_t)std::numeric_limits<T>::max();
    if (is_negative) limit = std::is_signed<T>::value ? limit + 1 : 0;
    if (overflows || magnitude > limit) {
      cursor.at = first;
      return NUMBERS_RANGE;
    }
    out = (T)(is_negative ? 0 - magnitude : magnitude);
    return NUMBERS_OK;
  }
};

struct BoolKind {
  using Value = uint8_t;

  static bool can_start(char c) { return c == 't' || c == 'f'; }

  static inline const char *read_quickly(const char *at, uint8_t &out) {
    out = memcmp(at, "true", 4) == 0;
    return out ? at + 4 : memcmp(at, "false", 5) == 0 ? at + 5 : nullptr;
  }

  static __attribute__((noinline)) numbers_result read(Cursor &cursor, uint8_t &out) {
    out = cursor.peek() == 't';
    const char *wanted = out ? "true" : "false";
    for (; *wanted != '\0'; wanted++, cursor.at++) {
      if (cursor.peek() != *wanted) return cursor.syntax();
    }
    return NUMBERS_OK;
  }
};

// MARK: The list

constexpr size_t look_ahead = 64;  // more than any `read_quickly` looks at

// Moves over `ws , ws` to the next value's start; stays where another kind of text comes.
template <typename Kind>
__attribute__((noinline)) const char *next_value(const char *at, const char *end, numbers_result &result,
                                                 bool &is_last) {
  Cursor cursor{at, end};
  cursor.skip_white_space();
  is_last = true;
  const char *stop = cursor.at;
  if (cursor.peek() == ',') {
    cursor.at++;
    cursor.skip_white_space();
    is_last = !Kind::can_start(cursor.peek());
    if (!is_last) return cursor.at;
  }
  if (cursor.at < end) return stop;
  result = NUMBERS_END;
  return end;
}

template <typename Kind>
numbers_result read_list(const char *text, size_t size, size_t *position, void *out, size_t capacity, size_t *count) {
  using Value = typename Kind::Value;
  const char *at = text + *position, *end = text + size;
  const char *quick_end = size > look_ahead ? end - look_ahead : text;
  char *target = (char *)out, *limit = target + capacity * sizeof(Value);
  numbers_result result = NUMBERS_OK;
  {
    Cursor cursor{at, end};
    cursor.skip_white_space();
    at = cursor.at;
  }
  if (at >= end) result = NUMBERS_END;
  while (result == NUMBERS_OK) {
    if (__builtin_expect(target == limit, 0)) {
      result = Kind::can_start(*at) ? NUMBERS_FULL : NUMBERS_SYNTAX;
      break;
    }
    const char *after = nullptr;
    if (__builtin_expect(at < quick_end, 1)) {
      // The next number's place from the comma instead of from this number's digits, so that the processor reads
      // several at once. The compiler must not see that both are the same place.
      const char *comma = at + digits::distance(at, ','), *known = comma;
      __asm__("" : "+r"(known));
      Value value = 0;
      after = Kind::read_quickly(at, value);
      if (__builtin_expect(after != nullptr, 1)) {
        memcpy(target, &value, sizeof value);
        target += sizeof value;
        if (__builtin_expect(after == comma && *after == ',', 1)) {
          at = known + 1;
          if (__builtin_expect(*at == ' ', 0)) at++;
          if (__builtin_expect(Kind::can_start(*at), 1)) continue;
        }
      }
    }
    if (after == nullptr) {
      Cursor cursor{at, end};
      Value value;
      result = Kind::read(cursor, value);
      at = cursor.at;
      if (result != NUMBERS_OK) break;
      memcpy(target, &value, sizeof value);
      target += sizeof value;
      after = at;
    }
    bool is_last;
    at = next_value<Kind>(after, end, result, is_last);
    if (is_last) break;
  }
  *position = (size_t)(at - text);
  *count = (size_t)(target - (char *)out) / sizeof(Value);
  return result;
}

}  // namespace

#define READ(NAME, KIND)                                                                                               \
  extern "C" numbers_result numbers_read_##NAME(const char *text, size_t size, size_t *position, void *out,            \
                                                size_t capacity, size_t *count) {                                      \
    return read_list<KIND>(text, size, position, out, capacity, count);                                                \
  }
READ(f32, FloatKind<float>)
READ(f64, FloatKind<double>)
READ(i8, IntegerKind<int8_t>)
READ(i16, IntegerKind<int16_t>)
READ(i32, IntegerKind<int32_t>)
READ(i64, IntegerKind<int64_t>)
READ(u8, IntegerKind<uint8_t>)
READ(u16, IntegerKind<uint16_t>)
READ(u32, IntegerKind<uint32_t>)
READ(u64, IntegerKind<uint64_t>)
READ(bool, BoolKind)
