def run(context, input):
    return input
