#include "http.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char HEADER[] = "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nServer: http 1\r\n\r\n";

static void answer(int client, const char *text)
{
    char request[4096];
    if (read(client, request, sizeof request) > 0
        && write(client, HEADER, strlen(HEADER)) > 0
        && write(client, text, strlen(text)) < 0)
        perror("write");
    close(client);
}

int http_serve(int port, const char *(*page)(void))
{
    struct sockaddr_in address;
    int on = 1, client, listener = socket(AF_INET, SOCK_STREAM, 0);
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 16) < 0) {
        perror("listen");
        return 1;
    }
    printf("listening on port %d\n", port);
    fflush(stdout);
    while ((client = accept(listener, NULL, NULL)) >= 0)
        answer(client, page());
    perror("accept");
    return 1;
}
