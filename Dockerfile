# An image to grade in, for those who would rather not install anything:
#
#     docker build -t autograder .
#     docker run --rm -it --security-opt seccomp=unconfined --security-opt apparmor=unconfined \
#         --security-opt systempaths=unconfined -v "$PWD/submissions:/class:ro" -v "$PWD/grades:/kit/grades" \
#         -v "$PWD/data:/kit/data" autograder make grade SUBMISSIONS=/class
#
# The three options let bubblewrap make its own namespaces inside; without them `make grade` refuses to run other
# people's files, and says so. With a GPU, add: --gpus all
FROM python:3.11-slim-bookworm

RUN apt-get update \
    && apt-get install -y --no-install-recommends bubblewrap libseccomp2 make \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /kit
COPY . .
RUN make setup && .venv/bin/python -m pip cache purge

CMD ["make", "help"]
