"""The live server: sessions in the browser, the HTTP API, the page."""
