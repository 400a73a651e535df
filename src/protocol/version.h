#ifndef PROTOCOL_VERSION_H
#define PROTOCOL_VERSION_H

/*
 * What we are and what we speak. A change that a published client could notice
 * raises OPTA_CONTRACT_VERSION; the envelope version changes only when the
 * envelope's own fields do.
 */

#define OPTA_VERSION "0.5.0"
#define OPTA_CONTRACT_NAME "opta-daemon-v3"
#define OPTA_CONTRACT_VERSION 1
#define OPTA_ENVELOPE_VERSION "3"

#endif
