/* The text to serve. */
const char *page(void);
