"""`python -m gateway`. Imports nothing unless it is the program: other processes may import it."""

if __name__ == "__main__":
    from gateway.cli import main

    main(prog_name="gateway")
