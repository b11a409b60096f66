#include "page.h"

const char *page(void)
{
    return "Hello from a compiler\n";
}
