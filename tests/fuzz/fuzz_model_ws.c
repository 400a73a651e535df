/* Messages of a model server's WebSocket, one a line; and error bodies. */
#include <assert.h>

#include "base/str.h"
#include "model/delta.h"
#include "model/text.h"
#include "tests/fuzz/fuzz.h"

static void on_text(void *data, bool thinking, const char *p, size_t n)
{
	assert(n > 0 && str_utf8_valid(p, n) == n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct model_text *text = model_text_new(on_text, NULL);
	struct str rest = {(const char *)data, size}, line;
	char sentence[200];
	bool overflow;

	while (rest.n) {
		struct delta d;

		rest = str_cut(rest, '\n', &line);
		delta_error_text(line.p, line.n, sentence, sizeof sentence, &overflow);
		assert(str_utf8_valid(sentence, strlen(sentence)) == strlen(sentence));
		if (delta_parse(line.p, line.n, &d) != 0)
			continue;
		if (d.text.n)
			model_text_feed(text, false, d.text.p, d.text.n);
		delta_finish(&d);
	}
	model_text_end(text);
	model_text_free(text);
	return 0;
}
