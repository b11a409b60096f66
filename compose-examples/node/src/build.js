// Makes dist/index.html of page.txt: the build step of this example.
const fs = require("node:fs");
const path = require("node:path");

const text = fs.readFileSync(path.join(__dirname, "page.txt"), "utf8").trim();
const dist = path.join(__dirname, "..", "dist");
fs.mkdirSync(dist, { recursive: true });
fs.writeFileSync(path.join(dist, "index.html"), `<!doctype html>\n<title>node</title>\n<h1>${text}</h1>\n`);
console.log(`built index.html: ${text}`);
