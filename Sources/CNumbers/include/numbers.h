// Reads and prints runs of numbers in JSON text: exact, without allocation, at memory-like speed.
//
// Every function is [any]: it keeps nothing, blocks on nothing, throws nothing. Pointers are used during the call only.
// Elements in memory may be unaligned; they have the machine's byte order.
#ifndef STADION_NUMBERS_H
#define STADION_NUMBERS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum numbers_result {
  NUMBERS_OK = 0,
  NUMBERS_SYNTAX = 1,    // not the JSON grammar, or no number where one is wanted; position: the offending byte
  NUMBERS_RANGE = 2,     // the integer doesn't fit the type, or too large for a double; position: the number's start
  NUMBERS_FRACTION = 3,  // 1.5, 2.0 or 1e3 where an integer is wanted; position: its '.' or 'e'
  NUMBERS_FULL = 4,      // more values than capacity; position: the first one that has no room
  NUMBERS_END = 5,       // the text ends in or right behind a value; position: size
} numbers_result;

// Reads `ws value (ws , ws value)*` from text[*position].
//
// Stops at the first byte that is neither white space nor a comma before another value: at `]`, or at the comma of
// `,[`, `,]` or `,x`, which the caller judges. Then *position is at that byte and the result is NUMBERS_OK. A text that
// ends without such a byte is NUMBERS_END, since an array closes with `]`.
// Values: RFC 8259 numbers; f32 and f64 also take NaN, Infinity, -Infinity; bool takes true and false only.
//   f32, f64   correctly rounded from the decimal digits (f32 never through a double rounding), to nearest even.
//              f32 turns what only a double can hold, such as 1e40, into an infinity; 1e400 is NUMBERS_RANGE for both.
//              What is too small becomes zero with its sign.
//   integers   digits only: 2.0 and 1e3 are NUMBERS_FRACTION. -0 is 0, for unsigned types too.
//
// out: capacity elements; *count: how many were written, set on every result. 0 <= *position <= size.
numbers_result numbers_read_f32(const char *text, size_t size, size_t *position, void *out, size_t capacity,
                                size_t *count);
numbers_result numbers_read_f64(const char *text, size_t size, size_t *position, void *out, size_t capacity,
                                size_t *count);
numbers_result numbers_read_i8(const char *text, size_t size, size_t *position, void *out, size_t capacity,
                               size_t *count);
numbers_result numbers_read_i16(const char *text, size_t size, size_t *position, void *out, size_t capacity,
                                size_t *count);
numbers_result numbers_read_i32(const char *text, size_t size, size_t *position, void *out, size_t capacity,
                                size_t *count);
numbers_result numbers_read_i64(const char *text, size_t size, size_t *position, void *out, size_t capacity,
                                size_t *count);
numbers_result numbers_read_u8(const char *text, size_t size, size_t *position, void *out, size_t capacity,
                               size_t *count);
numbers_result numbers_read_u16(const char *text, size_t size, size_t *position, void *out, size_t capacity,
                                size_t *count);
numbers_result numbers_read_u32(const char *text, size_t size, size_t *position, void *out, size_t capacity,
                                size_t *count);
numbers_result numbers_read_u64(const char *text, size_t size, size_t *position, void *out, size_t capacity,
                                size_t *count);
// One byte an element, 0 or 1.
numbers_result numbers_read_bool(const char *text, size_t size, size_t *position, void *out, size_t capacity,
                                 size_t *count);

// Room that one element takes of `out` when printed, its comma and the slack for wide stores included.
enum {
  NUMBERS_ROOM_BOOL = 16,
  NUMBERS_ROOM_8 = 16,
  NUMBERS_ROOM_16 = 16,
  NUMBERS_ROOM_32 = 16,
  NUMBERS_ROOM_64 = 32,
  NUMBERS_ROOM_F32 = 32,
  NUMBERS_ROOM_F64 = 40,
};

// Prints `v,v,v`, without brackets, and returns the bytes that count; those behind them up to count * NUMBERS_ROOM_…
// may have been overwritten. out: at least count * NUMBERS_ROOM_… bytes.
//
// f32, f64: the fewest digits that read back as the same value of that type (0.1f prints 0.1), as JSON; NaN, Infinity
// and -Infinity stand as these words. bool: any byte but 0 is true.
size_t numbers_print_f32(const void *values, size_t count, char *out);
size_t numbers_print_f64(const void *values, size_t count, char *out);
size_t numbers_print_i8(const void *values, size_t count, char *out);
size_t numbers_print_i16(const void *values, size_t count, char *out);
size_t numbers_print_i32(const void *values, size_t count, char *out);
size_t numbers_print_i64(const void *values, size_t count, char *out);
size_t numbers_print_u8(const void *values, size_t count, char *out);
size_t numbers_print_u16(const void *values, size_t count, char *out);
size_t numbers_print_u32(const void *values, size_t count, char *out);
size_t numbers_print_u64(const void *values, size_t count, char *out);
size_t numbers_print_bool(const void *values, size_t count, char *out);

#ifdef __cplusplus
}
#endif

#endif
