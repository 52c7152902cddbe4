"""Settings of the LLM Server."""

from pathlib import Path

from pydantic import Field

from logits_shell.settings import AppSettings


class Settings(AppSettings):
    """Which model to serve, from where, and with what patience."""

    drain_seconds: float = Field(
        30.0, ge=0, description="Seconds that answers under way may take after SIGTERM before they are cut."
    )
    model: str = Field(description="The model to serve: JSON of a LanguageModel's spec together with its name.")
    deployment: str = Field(min_length=1, description="Name of the ModelDeployment; answers carry it as their model.")
    entity_db_url: str = Field(
        "http://logits-entity-db:8080", description="Base URL of the Entity DB that takes the reports."
    )
    models_directory: Path = Field(Path("/models"), description="Where relative sources of models lie.")
    gpu_memory_mib: int = Field(
        0, ge=0, description="Memory of one GPU in MiB, of which the model takes its share; 0 if unknown."
    )
    engine_threads: int = Field(0, ge=0, description="Threads of a CPU engine; 0 chooses by the size of the weights.")
    load_seconds: float = Field(
        3_000.0, gt=0, description="Seconds that an engine may take to load before it counts as stuck."
    )
    stop_seconds: float = Field(10.0, ge=0, description="Seconds that an engine has to end before it is killed.")
    vllm_environment: Path | None = Field(
        None, description="Virtual environment that holds vLLM; needed for models with that engine."
    )
