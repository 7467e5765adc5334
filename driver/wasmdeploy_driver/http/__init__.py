"""HTTP as the engine sees it: messages, a component's frame, CGI, routes, and the front that listens."""
