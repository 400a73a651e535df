#ifndef TESTS_LIB_UNIT_H
#define TESTS_LIB_UNIT_H

/* What every unit test includes: cmocka and its four headers, in the order it wants them. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
