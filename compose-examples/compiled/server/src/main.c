#include "http.h"
#include "page.h"

int main(void)
{
    return http_serve(8000, page);
}
