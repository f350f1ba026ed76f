Feature: Python Host-Client BDD tests

  Scenario: List instances on host
    Given host is running
    When asked for instances
    Then host is still running

  Scenario: List sequences on host
    Given host is running
    When asked for sequences
    Then host is still running

  Scenario: Give version from host
    Given host is running
    When asked for version
    Then returns response with version
    And host is still running

  Scenario: Give load from host
    Given host is running
    When asked for load
    Then returns response with free memory

  @since-1.0
  Scenario: Give status and configuration from host
    Given host is running
    When asked for status
    Then returns response without a Manager
    When asked for configuration
    Then returns response with API base "/api/v1"

  @since-1.0
  Scenario: List entities on host
    Given host is running
    When Sequence "map" in python is sent
    And asked for entities
    Then returns response with the Sequence

  @since-1.0
  Scenario: Read log and audit of host
    Given host is running
    When log and audit of host are read
    And Sequence "map" in python is sent
    Then the audit tells of a request with code 10100
    And the log of host has entries

  Scenario: Ask host for what is not there
    Given host is running
    Then asking for Sequence "nothing" fails with 404
    And asking for Instance "nothing" fails with 404
