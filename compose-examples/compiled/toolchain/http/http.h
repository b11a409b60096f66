/* A server of one page. */

/* Answers every request on this port with what `page` returns; comes back only when it cannot. */
int http_serve(int port, const char *(*page)(void));
