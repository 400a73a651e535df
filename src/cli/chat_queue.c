/* The messages that wait for their turn, in chat. */
#include <string.h>

#include "base/ids.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/chat.h"

static void free_message(struct chat_message *m)
{
	free(m->turn);
	free(m->key);
	free(m->text);
}

static void remove_message(struct chat *c, size_t i)
{
	free_message(&c->queue[i]);
	c->queue_count--;
	memmove(&c->queue[i], &c->queue[i + 1], (c->queue_count - i) * sizeof c->queue[0]);
}

void chat_queue_clear(struct chat *c)
{
	while (c->queue_count)
		remove_message(c, c->queue_count - 1);
	c->taking_back[0] = '\0';
}

/* Index of the message of that turn; queue_count: none. */
static size_t find_turn(const struct chat *c, const char *turn)
{
	size_t i = 0;

	while (i < c->queue_count && !(c->queue[i].turn && strcmp(c->queue[i].turn, turn) == 0))
		i++;
	return i;
}

static void send_chat_message(struct chat *c, const struct chat_message *m)
{
	struct buf json = {0};

	buf_adds(&json, "{\"type\":\"turn.submit\",\"sessionId\":");
	json_put_cstr(&json, c->session);
	buf_addf(&json,
	    ",\"clientId\":\"%s\",\"writerId\":\"%s\",\"mode\":\"%s\",\"idempotencyKey\":\"%s\"",
	    c->client_id, c->client_id, c->mode, m->key);
	buf_addf(&json, ",\"overrides\":{\"auto\":%s,\"dangerous\":%s},\"content\":",
	    c->allow_edits ? "true" : "false", c->allow_all ? "true" : "false");
	json_put_cstr(&json, m->text);
	buf_addc(&json, '}');
	follow_send(c->follow, json.p, json.len);
	buf_finish(&json);
}

bool chat_submit(struct chat *c, const char *p, size_t n)
{
	struct chat_message *m = &c->queue[c->queue_count];
	char key[40];

	if (c->queue_count == CHAT_MAX_QUEUED) {
		snprintf(c->hint, sizeof c->hint,
		    "%d messages wait already: send it when one of them has started",
		    CHAT_MAX_QUEUED);
		return false;
	}
	ids_make("chat_", 12, key, sizeof key);
	*m = (struct chat_message){.key = mem_strdup(key), .text = mem_strndup(p, n)};
	c->queue_count++;
	/* Without a connection it goes out when there is one. */
	send_chat_message(c, m);
	return true;
}

void chat_resend(struct chat *c)
{
	/* With its key a message that had arrived is the same turn. */
	for (size_t i = 0; i < c->queue_count; i++)
		if (!c->queue[i].turn)
			send_chat_message(c, &c->queue[i]);
}

/* Our own message that the daemon now has: the first on its way with these words. */
static struct chat_message *find_sent(struct chat *c, struct str content)
{
	for (size_t i = 0; i < c->queue_count; i++)
		if (!c->queue[i].turn && str_eq(content, c->queue[i].text))
			return &c->queue[i];
	return NULL;
}

void chat_queue_add(struct chat *c, const json_t *payload)
{
	struct str content = json_str(payload, "content");
	const char *turn = json_cstr(payload, "turnId", ""),
		   *client = json_cstr(payload, "clientId", "?");
	bool ours = strcmp(client, c->client_id) == 0;
	struct chat_message *m = ours ? find_sent(c, content) : NULL;

	if (find_turn(c, turn) < c->queue_count)
		return;
	if (!m) {
		/* Its words are said when it starts, or not at all when too many wait. */
		if (c->queue_count == CHAT_MAX_QUEUED)
			return;
		m = &c->queue[c->queue_count++];
		*m = (struct chat_message){.text = mem_strndup(content.p, content.n)};
		if (!ours && strncmp(client, "chat-", 5) != 0 && strcmp(client, "opta-cli") != 0)
			snprintf(m->who, sizeof m->who, "%.40s ", client);
	}
	m->turn = mem_strdup(turn);
}

void chat_queue_start(struct chat *c, const json_t *payload)
{
	size_t i = find_turn(c, json_cstr(payload, "turnId", ""));
	char who[80];

	if (i == c->queue_count)
		return;
	chat_end_text(c);
	snprintf(who, sizeof who, "%s› ", c->queue[i].who);
	chat_put_words(c, who, c->queue[i].text, strlen(c->queue[i].text));
	if (strcmp(c->taking_back, c->queue[i].turn) == 0)
		c->taking_back[0] = '\0';
	remove_message(c, i);
}

void chat_queue_cancelled(struct chat *c, const char *turn)
{
	size_t i = find_turn(c, turn);

	if (i == c->queue_count)
		return;
	if (strcmp(c->taking_back, turn) == 0) {
		c->taking_back[0] = '\0';
		/* What was typed meanwhile stays behind it. */
		if (c->edit.text.len) {
			struct buf both = {0};

			buf_adds(&both, c->queue[i].text);
			buf_addc(&both, '\n');
			buf_add(&both, c->edit.text.p, c->edit.text.len);
			edit_set(&c->edit, both.p, both.len);
			buf_finish(&both);
		} else {
			edit_set(&c->edit, c->queue[i].text, strlen(c->queue[i].text));
		}
	}
	remove_message(c, i);
}

void chat_queue_refused(struct chat *c, const char *sentence)
{
	chat_warn(c, "%s", sentence);
	for (size_t i = 0; i < c->queue_count; i++) {
		if (c->queue[i].turn)
			continue;
		/* The words are not lost. */
		if (!c->edit.text.len)
			edit_set(&c->edit, c->queue[i].text, strlen(c->queue[i].text));
		remove_message(c, i);
		return;
	}
}

bool chat_take_back(struct chat *c)
{
	struct buf json = {0};
	size_t i = c->queue_count;

	while (i > 0 && !(c->queue[i - 1].key && c->queue[i - 1].turn))
		i--;
	if (!i || c->taking_back[0])
		return i != 0;
	snprintf(c->taking_back, sizeof c->taking_back, "%s", c->queue[i - 1].turn);
	buf_adds(&json, "{\"type\":\"turn.cancel\",\"sessionId\":");
	json_put_cstr(&json, c->session);
	buf_addf(&json, ",\"turnId\":\"%s\"}", c->taking_back);
	if (!follow_send(c->follow, json.p, json.len)) {
		c->taking_back[0] = '\0';
		snprintf(c->hint, sizeof c->hint,
		    "not connected to the daemon just now: try again in a moment");
	}
	buf_finish(&json);
	return true;
}
