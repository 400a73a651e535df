#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

/*
 * The body of a fuzzer: called with one input after another, must not crash,
 * leak or hang. libFuzzer calls it (build-fuzz), or run_corpus.c with each file
 * of a corpus (every build).
 */

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
