from simulators.command_line import main

if __name__ == "__main__":
    main()
