"""``python -m mosdata`` is ``mosdata``."""

from mosdata.cli import main

if __name__ == "__main__":
    main()
