"""The page of tools/chat.py: a person searches a folder of pictures by a description and talks to the search.

    systems.py      one or two systems on the same pictures
    talk.py         a visitor's search and what was said since; plain functions, no web
    view.py         what the page shows of it
    assistant.py    a multimodal model that may judge and answer, where one is configured
    visitors.py     who is there; tokens of pictures; rates
    guard.py        what every request must obey
    server.py       the routes; replies.py: forms, and answers that are no page
    thumbnails.py   small copies of pictures
    serving.py      starting it

Nothing here knows an identity or a label, and no path goes into the page.
"""
