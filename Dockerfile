# gradlab in a container, for CPUs. Runs go to results/ of the mounted directory:
#
#     docker build -t gradlab .
#     docker run --rm -v "$PWD:/work" gradlab run @sigmoid_vs_relu
#
# PIP_ARGUMENTS go to pip, as an index with CPU builds of torch, which spares gigabytes of CUDA:
#     docker build -t gradlab --build-arg PIP_ARGUMENTS="--extra-index-url URL" .
FROM python:3.12-slim

ARG PIP_ARGUMENTS=""
COPY . /source
RUN pip install --no-cache-dir --constraint /source/constraints.txt $PIP_ARGUMENTS /source \
    && rm -r /source

RUN useradd --create-home gradlab && mkdir /work && chown gradlab /work
USER gradlab
WORKDIR /work
ENTRYPOINT ["gradlab"]
CMD ["--help"]
