"""`python -m volcasr_async` is the command `volcasr`."""

from volcasr_async.cli import main

if __name__ == "__main__":
    main()
