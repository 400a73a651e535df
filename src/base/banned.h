#ifndef BASE_BANNED_H
#define BASE_BANNED_H

/*
 * Functions nobody in this project may call, because their bounds or their
 * state are invisible at the call. The build includes this header before every
 * file (-include), so a use is a compile error that names the reason.
 * Use: buf_* and snprintf for text, str_parse_* for numbers, clock_* for time.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Checked builds make macros of some, which cannot be poisoned as they are. */
#undef strcpy
#undef strcat
#undef strncpy
#undef strncat
#undef sprintf
#undef vsprintf

#ifdef OPTA_COVERAGE
#include <unistd.h>
void __gcov_dump(void);
/* In a sandbox its files cannot be written; what it says of that is no tool's output. */
#define _exit(code) (close(1), close(2), __gcov_dump(), (_exit)(code))
#endif

#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf strtok
#pragma GCC poison gmtime localtime asctime ctime atoi atol atoll atof gets

#endif
