#ifndef DAEMON_API_H
#define DAEMON_API_H

/* The handlers of the routes; each answers its call once. Loop thread only. */

#include <stdbool.h>

struct call;
struct server;

/* api_health.c */
void api_health(struct call *call);
void api_health_stream(struct call *call);
void api_metrics(struct call *call);
void api_prometheus(struct call *call);
void api_openapi(struct call *call);

/* api_sessions.c */
void api_sessions_list(struct call *call);
void api_session_create(struct call *call);
void api_session_get(struct call *call);
void api_session_patch(struct call *call);
void api_session_delete(struct call *call);

/* api_turns.c */
void api_turn_submit(struct call *call);
void api_turn_cancel(struct call *call);

/* api_permissions.c */
void api_permissions(struct call *call);
void api_permission_resolve(struct call *call);

/* api_models.c */
void api_models(struct call *call);
void api_server_test(struct call *call);
/* The daemon stops: answer who still waits for the model server. */
void api_models_stop(struct server *s);

/* api_search.c */
void api_search(struct call *call);

/* api_background.c */
void api_background_list(struct call *call);
void api_background_start(struct call *call);
void api_background_status(struct call *call);
void api_background_output(struct call *call);
void api_background_kill(struct call *call);

/* push_json.c, push_sse.c, push_ws.c */
void api_events(struct call *call);
void api_sse(struct call *call);
void api_websocket(struct call *call);

/* Is the upgrade that the call asks for a good WebSocket handshake? */
bool websocket_handshake_ok(const struct call *call);

#endif
