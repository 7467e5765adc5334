"""HTTP as the engine sees it: messages, the frame a component reads, CGI, routes, and the front that listens."""
