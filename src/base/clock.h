#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

/* Time, in the two kinds that must not be mixed. Any thread. */

#include <stddef.h>
#include <stdint.h>

/* Room for "2026-11-22T10:00:01.123Z" and its 0. */
enum { CLOCK_ISO_SIZE = 25 };

/* Microseconds since an arbitrary start; never jumps. For durations and deadlines. */
uint64_t clock_mono_us(void);

/* Milliseconds since 1970 UTC; may jump. For what people and logs are shown. */
int64_t clock_wall_ms(void);

/* Write wall time ms as ISO 8601 UTC with milliseconds, CLOCK_ISO_SIZE bytes with the 0. No locale;
 * a time outside the years 0000 to 9999 is shown as the first or last of them. */
void clock_iso(int64_t ms, char ret_iso[CLOCK_ISO_SIZE]);

/* The wall time, in ms, that the CLOCK_ISO_SIZE - 1 bytes at iso stand for, as clock_iso writes
 * them. Bytes that are no such time give some time: write it again to find out. */
int64_t clock_from_iso(const char *iso);

/* Local hour, minute and second of now, for the log. */
void clock_local_hms(int *ret_h, int *ret_m, int *ret_s);

#endif
