# gradlab in a container, for CPUs. Runs go to results/ of the mounted directory, which is /results inside:
#
#     docker build -t gradlab .
#     docker run --rm -v "$PWD:/results" gradlab run @sigmoid_vs_relu
#
# PIP_ARGUMENTS go to pip, as an index with CPU builds of torch, which spares gigabytes of CUDA:
#     docker build -t gradlab --build-arg PIP_ARGUMENTS="--extra-index-url URL" .
FROM python:3.12-slim

ARG PIP_ARGUMENTS=""
COPY . /source
RUN pip install --no-cache-dir --constraint /source/constraints.txt $PIP_ARGUMENTS /source \
    && rm -r /source

RUN useradd --create-home gradlab && mkdir /results && chown gradlab /results
USER gradlab
WORKDIR /results
ENTRYPOINT ["gradlab"]
CMD ["--help"]
