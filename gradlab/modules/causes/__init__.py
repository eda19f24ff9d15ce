"""Why a gradient is lost or grows: rules that read the measured numbers."""
