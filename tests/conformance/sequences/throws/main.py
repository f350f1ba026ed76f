def run(context, input):
    raise Exception("boom-py")
