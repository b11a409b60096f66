// Serves the built page, which it reads once, when it starts, and the version of its own code at /version.
const fs = require("node:fs");
const http = require("node:http");
const path = require("node:path");

const version = "1";
const page = fs.readFileSync(path.join(__dirname, "..", "dist", "index.html"));

http
  .createServer((request, response) => {
    if (request.url === "/version") {
      response.end(`${version}\n`);
    } else {
      response.setHeader("Content-Type", "text/html; charset=utf-8");
      response.end(page);
    }
  })
  .listen(3000, () => console.log("listening on port 3000"));
