#ifndef MODEL_TLS_H
#define MODEL_TLS_H

/*
 * TLS to the model server: OpenSSL over memory buffers, behind net/filter.h.
 * Chain and host name are verified against the system's store (SSL_CERT_FILE and
 * SSL_CERT_DIR are honoured). Set up at first use only: most model servers on a LAN are plain.
 * Loop thread only.
 */

struct err;
struct filter;

/* A filter for one connection to host. NULL with a sentence when TLS cannot be set up. */
struct filter *tls_filter_new(const char *host, struct err *reterr);

#endif
