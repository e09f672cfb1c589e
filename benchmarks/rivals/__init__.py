"""What people would use instead, each as a good engineer would write it with that library, and ours as a user calls it.

For small requests a module has a context manager that opens its client and yields "make so many requests"; for whole jobs a
function that transcribes all links and returns what it used. What they send, and how a reply is read, is the same for all
of them (`wire`).
"""
