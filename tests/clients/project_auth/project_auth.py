"""Who one is without an identity service: a project, at an endpoint.

`openstack --os-auth-type none` cannot say the project, which this API must be told.
"""

from keystoneauth1 import loading, noauth


class Project(noauth.NoAuth):
    def __init__(self, endpoint, project_id):
        super().__init__(endpoint)
        self.project_id = project_id

    def get_project_id(self, session, **arguments):
        return self.project_id

    def get_auth_ref(self, session, **arguments):
        return None


class Loader(loading.BaseLoader):
    plugin_class = Project

    def get_options(self):
        return [
            *super().get_options(),
            loading.Opt("endpoint", required=True, help="Where the service is"),
            loading.Opt("project-id", required=True, help="The project"),
        ]
